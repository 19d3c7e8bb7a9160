"""The journal's hash chain: how an entry is hashed, and what is wrong with a chain of entries. Pure.

The functions work on the rows of a database as well as on an exported report: an entry's hash is SHA-256 over the
canonical JSON (RFC 8785) of the exported entry without its `hash`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
import rfc8785

from fleet.core.records.journal import JournalEntry
from fleet.store.journal.tampering import BEGINNING, ChainEnd, JournalFinding, Origin, broken


def canonical(value: Any) -> bytes:
    """Returns canonical JSON, RFC 8785. Raises ValueError for values that JSON cannot express exactly (whole numbers
    from 2**53 on, NaN)."""
    return rfc8785.dumps(msgspec.to_builtins(value))


def hash_of(entry: JournalEntry) -> str:
    """Returns the hash, in hex, of all fields but `hash`."""
    fields = msgspec.to_builtins(entry)
    del fields["hash"]
    return hashlib.sha256(rfc8785.dumps(fields)).hexdigest()


def _hash_of(entry: JournalEntry) -> str:
    """Returns the hash of an entry with arbitrary content; empty where canonical JSON cannot express the content, so
    that fleet cannot have written the entry."""
    try:
        return hash_of(entry)
    except (ValueError, RecursionError):
        return ""


def verify(
    entries: Iterable[JournalEntry], checkpoint: ChainEnd | None = None, origin: Origin = BEGINNING
) -> list[JournalFinding]:
    """Returns the findings in the order of the entries; empty where nothing is wrong. Entries come in the order of
    `seq`.

    Without a checkpoint an end that was cut off cannot be seen.
    """
    found = list(entries)
    if sound(found, checkpoint, origin):
        return []
    findings = sorted(broken(found, checkpoint, _hash_of, origin), key=lambda finding: finding.seq)
    # The chain is broken: an answer without findings would be wrong, even where no single finding explains the break.
    return findings or [JournalFinding(found[-1].seq if found else 0, "changed", "the chain is broken")]


def sound(
    entries: Iterable[JournalEntry], checkpoint: ChainEnd | None = None, origin: Origin = BEGINNING
) -> bool:
    """Returns whether nothing is wrong. Reads the entries one by one and keeps none in memory."""
    seq, last = origin.seq, origin.hash
    for entry in entries:
        if entry.seq != seq + 1 or entry.prev_hash != last or _hash_of(entry) != entry.hash:
            return False
        seq, last = entry.seq, entry.hash
    return checkpoint is None or (checkpoint.seq, checkpoint.count, checkpoint.hash) == (seq, seq, last)
