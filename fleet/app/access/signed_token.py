"""Signed tokens: JSON Web Tokens with Ed25519 signatures (RFC 7519, RFC 8037), verified with the policy's public key.

The token is in the file that FLEET_TOKEN_FILE names. Its claims are `sub` (the user), `groups`, `exp`, `iat`, `jti` (an
id) and `aud`, which is `fleet`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fleet.core.records.errors import AuthenticationError, UsageError
from fleet.core.records.identity import Identity
from fleet.core.text.paths import expanded
from fleet.store.journal.signing import PrivateKey, PublicKey, write_new

VARIABLE = "FLEET_TOKEN_FILE"
AUDIENCE = "fleet"
ALGORITHM = "EdDSA"
LARGEST = 64 * 1024
"""The most bytes of a token file that are read."""
CLAIMS = ("sub", "exp", "iat", "jti", "aud")


def identify(key_path: str, environ: Mapping[str, str], now: datetime) -> tuple[Identity, tuple[str, ...]]:
    """Returns the user of the token, and the user's groups. `key_path`: the public key of the policy.

    Raises UsageError where the token or the key cannot be read, and AuthenticationError for a token that is not valid.
    No message contains the token.
    """
    if not environ.get(VARIABLE):
        raise UsageError(
            f"who are you? The policy identifies users by a token, and {VARIABLE} is not set",
            f"{VARIABLE}=FILE; an admin makes the file: fleet access token NAME",
        )
    path = expanded(environ[VARIABLE])
    key = PublicKey.read(Path(key_path))
    try:
        claims = jwt.decode(
            _content(path),
            load_pem_public_key(key.pem.encode("ascii")),  # type: ignore[arg-type]  # PublicKey reads Ed25519 alone
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": list(CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidTokenError as error:
        raise _invalid(path, str(error)) from None
    if not isinstance(claims["exp"], int) or claims["exp"] <= now.timestamp():
        raise _invalid(path, "it has expired")
    if not isinstance(claims.get("nbf", 0), int) or claims.get("nbf", 0) > now.timestamp():
        raise _invalid(path, "it is not valid yet")
    name, groups = claims["sub"], claims.get("groups", [])
    if not name or not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise _invalid(path, "its claims sub and groups are not a name and a list of names")
    return Identity(name, "token", f"key {key.id}, token {claims['jti']}"), tuple(groups)


def issue(
    key_path: Path, name: str, groups: Sequence[str], valid: timedelta, now: datetime, to: Path
) -> None:
    """Writes a new token to a file that only its owner may read. Raises UsageError for a key that cannot be used, and
    FileExistsError where the file exists."""
    claims = {
        "sub": name,
        "groups": list(groups),
        "aud": AUDIENCE,
        "iat": int(now.timestamp()),
        "exp": int((now + valid).timestamp()),
        "jti": uuid4().hex[:16],
    }
    token = PrivateKey.read(key_path).sign_token(claims)
    write_new(to, f"{token}\n".encode("ascii"), 0o600)


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(LARGEST).decode("ascii").strip()
    except OSError as error:
        raise UsageError(
            f"the token {path} cannot be read: {error.strerror}", f"{VARIABLE} names its file"
        ) from None
    except ValueError:
        raise _invalid(path, "it is not text") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"others may read the token {path} (mode {mode:04o}), and act in your name",
            f"have a new one made, and chmod 600 {path}",
        )
    return text


def _invalid(path: Path, why: str) -> AuthenticationError:
    return AuthenticationError(
        f"the token {path} is not valid: {why}", "an admin makes a new one: fleet access token NAME"
    )
