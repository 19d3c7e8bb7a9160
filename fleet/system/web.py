"""Asks a server one question over HTTP, with bounds on time and size, and credentials from files."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

SECONDS = 10.0
"""A server that has not answered by then gives no answer."""
LARGEST = 4 << 20
"""The most bytes of an answer that are read."""


class NoAnswerError(Exception):
    """The server gave no answer that can be used; the message says why."""


class ServerAnswer(NamedTuple):
    status: int
    body: bytes


class Credentials(NamedTuple):
    """The files by which a server is trusted, and by which fleet is."""

    token_file: str = ""
    """A file with the bearer token. Empty: no token is sent."""
    ca_file: str = ""
    """A file with the certificates that are trusted, in PEM. Empty: those of the system."""


NO_CREDENTIALS = Credentials()


async def ask(
    method: str,
    url: str,
    params: Sequence[tuple[str, str]] = (),
    credentials: Credentials = NO_CREDENTIALS,
    body: Any = None,
) -> ServerAnswer:
    """Returns the answer to a request; a body is sent as JSON. Redirects are not followed: a token must not go elsewhere.

    Raises NoAnswerError if a file cannot be read, or the server cannot be reached, takes too long or answers too much.
    """
    token = _token(credentials.token_file)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trusted = _trusted(credentials.ca_file)
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.request(
                method,
                url,
                params=list(params),
                headers=headers,
                json=body,
                ssl=trusted,
                allow_redirects=False,
            ) as response,
        ):
            found = await _limited(response.content)
            # A server may repeat the token in its refusal, which is shown.
            safe = found.replace(token.encode(), b"[hidden]") if token else found
            return ServerAnswer(response.status, safe)
    except TimeoutError:
        raise NoAnswerError(f"no answer within {SECONDS:.0f} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error


async def _limited(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise NoAnswerError(f"the answer has more than {LARGEST >> 20} MiB")
    return bytes(body)


def _token(token_file: str) -> str:
    """Returns the token of the file; empty without a file. Raises NoAnswerError."""
    if not token_file:
        return ""
    try:
        token = Path(token_file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text in UTF-8"
        raise NoAnswerError(f"token_file {token_file}: {reason}") from error
    if not (token.isascii() and token.isprintable()) or not token:
        raise NoAnswerError(f"token_file {token_file}: it has no token in one line")
    return token


def _trusted(ca_file: str) -> ssl.SSLContext | bool:
    """Returns what is trusted; True: what the system trusts. Raises NoAnswerError."""
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=Path(ca_file).expanduser())
    except (OSError, ValueError) as error:
        raise NoAnswerError(f"ca_file {ca_file}: {error}") from error


def decoded(body: bytes, shape: type[Any]) -> Any:
    """Returns the JSON of the body as the struct. Raises NoAnswerError for anything else."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswerError(f"the answer is not what its API documents: {error}") from error
