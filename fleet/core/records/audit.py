"""Signed checkpoints, and the file that contains them: they prove a journal to an auditor who has no access to fleet.

These structs are the published JSON of `fleet audit export` (`docs/schemas/journal.json`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.core.records.journal import JournalEntry


class SignedCheckpoint(Struct, frozen=True):
    """A signed statement of where the hash chain ended at one moment. Any later change of an earlier entry is
    detected."""

    seq: int
    """The number of the last entry."""
    hash: str
    """The hash of the last entry."""
    count: int
    """The number of all entries."""
    at: datetime
    key: str
    """The id of the signing key: the first 16 hexadecimal digits of SHA-256 over the 32 bytes of its public half."""
    signature: str
    """Ed25519, in base64, over `fleet checkpoint v1`, a line feed, and the canonical JSON (RFC 8785) of the other
    fields."""


class Signature(Struct, frozen=True):
    """A signature over a whole file. The signature also vouches for those parts of the file that do not come from the
    journal."""

    key: str
    """The id of the signing key, as in SignedCheckpoint."""
    signature: str
    """Ed25519, in base64, over `fleet report v1`, a line feed, and the canonical JSON (RFC 8785) of the file without
    its `signature`."""


class JournalExport(Struct, frozen=True):
    """The whole journal. The file can be verified with the public key alone."""

    kind: Literal["fleet journal"]
    at: datetime
    """When the journal was exported."""
    entries: tuple[JournalEntry, ...]
    checkpoints: tuple[SignedCheckpoint, ...]
