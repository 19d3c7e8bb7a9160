"""Loaded credentials with the connections that they are used on."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from fleet.core.text.untrusted import UnreadableError, decode
from fleet.kube.client.connections import Connections

SHORT_TOKEN = 4
"""Secrets shorter than this many characters are not masked: masking them would garble messages and protect nothing."""
REFUSAL_MOST = 1 << 20
"""The most bytes of a refusal that are read."""
TOKEN_FILE_SECONDS = 60.0
"""Seconds after which a token file is read again: kubelets rotate tokens long before they expire."""


class Session(Struct, frozen=True):
    """A session with one API server. `identity` is equal for sessions that can share connections and differ in the
    token only."""

    connections: Connections
    host: str
    authorization: str
    """The Authorization header; empty: the client certificate authenticates."""
    stale_after: float | None
    """Seconds from loading until the credentials are loaded again; None: when the server refuses them."""
    identity: str
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of every request: the impersonated user, and the accepted encodings of responses."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Returns the texts that fleet must not print even if a server or a proxy sends them back: the token, or the
        user and password of basic authorization."""
        kind, _, value = self.authorization.partition(" ")
        if kind != "Basic":
            return (value,)
        return (value, b64decode(value).decode(errors="replace").partition(":")[2])

    def masked(self, body: bytes) -> bytes:
        """Returns a refusal with the secrets masked, which a server or a proxy may send back literally or with JSON
        escapes."""
        body = body[:REFUSAL_MOST]
        if b"\\" in body:
            with suppress(UnreadableError):
                # Any letter may be written as an escape; re-encoding gives each one spelling.
                body = msgspec.json.encode(decode(body))
        for secret in self.secrets:
            if len(secret) >= SHORT_TOKEN:
                for spelled in (secret.encode(), msgspec.json.encode(secret)[1:-1]):
                    body = body.replace(spelled, b"***")
        return body


def identity(*parts: object) -> str:
    """Returns a digest of everything that a connection depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def shown(host: str) -> str:
    """Returns a server's address in the form that may be shown to users: without a password in it."""
    parts = urlsplit(host)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{name}{f':{parts.port}' if parts.port else ''}{parts.path}"
