"""The journal's hash chain: how an entry is hashed, and what is wrong with a chain of them. Pure.

Works on the rows of a database as well as on an exported report: an entry's hash is SHA-256 over the canonical JSON
(RFC 8785) of the exported entry without its `hash`.
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
    """Returns canonical JSON, RFC 8785. Raises ValueError for what JSON cannot say exactly (whole numbers from 2**53
    on, NaN)."""
    return rfc8785.dumps(msgspec.to_builtins(value))


def hash_of(entry: JournalEntry) -> str:
    """Returns the hash, in hex, of all fields but `hash`."""
    fields = msgspec.to_builtins(entry)
    del fields["hash"]
    return hashlib.sha256(rfc8785.dumps(fields)).hexdigest()


def _hash_of(entry: JournalEntry) -> str:
    """Returns the hash of an entry that may have anything in it; empty where canonical JSON cannot say it, so that
    fleet has not written it."""
    try:
        return hash_of(entry)
    except (ValueError, RecursionError):
        return ""


def verify(
    entries: Iterable[JournalEntry], checkpoint: ChainEnd | None = None, origin: Origin = BEGINNING
) -> list[JournalFinding]:
    """Returns what is wrong, in the order of the entries; empty: nothing is. Entries come in the order of `seq`.

    Without a checkpoint an end that was cut off cannot be seen.
    """
    found = list(entries)
    if sound(found, checkpoint, origin):
        return []
    findings = sorted(broken(found, checkpoint, _hash_of, origin), key=lambda finding: finding.seq)
    # It is not sound: never answer that nothing is wrong, even where nobody can say what.
    return findings or [JournalFinding(found[-1].seq if found else 0, "changed", "the chain does not hold")]


def sound(
    entries: Iterable[JournalEntry], checkpoint: ChainEnd | None = None, origin: Origin = BEGINNING
) -> bool:
    """Returns whether nothing is wrong. Reads one entry after the other and keeps none."""
    seq, last = origin.seq, origin.hash
    for entry in entries:
        if entry.seq != seq + 1 or entry.prev_hash != last or _hash_of(entry) != entry.hash:
            return False
        seq, last = entry.seq, entry.hash
    return checkpoint is None or (checkpoint.seq, checkpoint.count, checkpoint.hash) == (seq, seq, last)
