"""What proves a journal to somebody who was not there: signed checkpoints, and the file that carries them.

These structs are the published JSON of `fleet audit export` (`docs/schemas/journal.json`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.core.records.journal import JournalEntry


class SignedCheckpoint(Struct, frozen=True):
    """Where the chain ended at a moment, signed, so that whoever changes what is before it is found."""

    seq: int
    """Of the last entry."""
    hash: str
    """Of the last entry."""
    count: int
    """Entries in all."""
    at: datetime
    key: str
    """Of the signing key: the first 16 hexadecimal digits of SHA-256 over the 32 bytes of its public half."""
    signature: str
    """Ed25519, in base64, over `fleet checkpoint v1`, a line feed, and the canonical JSON (RFC 8785) of the other
    fields."""


class Signature(Struct, frozen=True):
    """Vouches for a whole file, and so also for what in it comes from outside the journal."""

    key: str
    """As in SignedCheckpoint."""
    signature: str
    """Ed25519, in base64, over `fleet report v1`, a line feed, and the canonical JSON (RFC 8785) of the file without
    its `signature`."""


class JournalExport(Struct, frozen=True):
    """The whole journal, to be verified with nothing but this and the public key."""

    kind: Literal["fleet journal"]
    at: datetime
    """Of the export."""
    entries: tuple[JournalEntry, ...]
    checkpoints: tuple[SignedCheckpoint, ...]
