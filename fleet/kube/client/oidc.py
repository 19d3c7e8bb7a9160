"""The auth-provider `oidc` of a kubeconfig: its id-token is used for as long as it is valid.

kubectl would have the issuer renew the token and write the new one, and a new refresh-token, into the kubeconfig.
fleet never writes a kubeconfig, and a refresh-token may be valid for one use only:
https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokens.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.core.text.untrusted import decode

EARLY = timedelta(seconds=10)
"""How long before its expiry kubectl treats a token as expired."""

_HINT = "renew it with kubectl, or use an exec plugin as https://github.com/int128/kubelogin"


class _Claims(Struct, frozen=True):
    exp: float


def id_token(config: Mapping[str, str], now: datetime) -> tuple[str, datetime]:
    """Returns the token and when it expires. Raises UsageError where there is no valid token."""
    for name in ("idp-issuer-url", "client-id"):
        if not config.get(name):
            raise UsageError(f"auth-provider 'oidc' has no {name}")
    token = config.get("id-token", "")
    if not token:
        raise UsageError("auth-provider 'oidc' has no id-token", _HINT)
    parts = token.split(".")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        expires = datetime.fromtimestamp(decode(payload, _Claims).exp, UTC)
    except (IndexError, ValueError, OverflowError, OSError):
        raise UsageError("the id-token of auth-provider 'oidc' is not a JWT with an expiry", _HINT) from None
    if len(parts) != 3 or now + EARLY >= expires:
        raise UsageError(
            "the id-token of auth-provider 'oidc' has expired, and fleet does not renew id-tokens", _HINT
        )
    return token, expires
