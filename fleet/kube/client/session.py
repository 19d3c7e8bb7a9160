"""Loaded credentials, and the connections they are used over."""

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
"""Masking what is shorter would spoil messages, and protects nothing."""
REFUSAL_MOST = 1 << 20
"""Bytes of a refusal that are looked at."""
TOKEN_FILE_SECONDS = 60.0
"""How old a token from a file may be: kubelets rotate them long before they expire."""


class Session(Struct, frozen=True):
    """`identity` is the same where the same connections can be used with another token."""

    connections: Connections
    host: str
    authorization: str
    """Empty: the certificate says who we are."""
    stale_after: float | None
    """Seconds from when it was loaded; None: until the server refuses it."""
    identity: str
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request: as whom it is made, and how the answer may be packed."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Returns what a server or a proxy must not make fleet print: the token, or the user and password of a
        basic authorization."""
        kind, _, value = self.authorization.partition(" ")
        if kind != "Basic":
            return (value,)
        return (value, b64decode(value).decode(errors="replace").partition(":")[2])

    def masked(self, words: bytes) -> bytes:
        """Returns a refusal without the secrets, which a server or a proxy may send back: as they are, or in
        JSON's escapes."""
        words = words[:REFUSAL_MOST]
        if b"\\" in words:
            with suppress(UnreadableError):
                # It may write any letter as an escape: now each has one spelling.
                words = msgspec.json.encode(decode(words))
        for secret in self.secrets:
            if len(secret) >= SHORT_TOKEN:
                for spelled in (secret.encode(), msgspec.json.encode(secret)[1:-1]):
                    words = words.replace(spelled, b"***")
        return words


def identity(*told: object) -> str:
    """Returns a digest of all that a connection depends on."""
    return hashlib.sha256(repr(told).encode()).hexdigest()


def shown(host: str) -> str:
    """Returns a server's address as it may be shown to people: without a password that somebody wrote into it."""
    parts = urlsplit(host)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{name}{f':{parts.port}' if parts.port else ''}{parts.path}"
