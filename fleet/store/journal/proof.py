"""Compares signed checkpoints with a chain: whether they agree, and how entries that they cover were changed.
Pure.

A hash chain alone shows changes inside it. That its end was cut off, or that all of it was rewritten, is visible only by
comparison with an earlier end that was kept: the checkpoints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.journal import JournalEntry
from fleet.store.journal.tampering import JournalFinding, missing

if TYPE_CHECKING:
    from fleet.store.journal.signing import PublicKey


EMPTY = JournalFinding(0, "unsigned", "the journal is empty: the key has signed nothing")


class Marks:
    """Collects, while a chain is read, what is needed to compare the chain with its checkpoints."""

    def __init__(self, signed: Iterable[SignedCheckpoint]) -> None:
        self._wanted = {checkpoint.seq for checkpoint in signed}
        self.hashes: dict[int, str] = {}
        """Hashes of the entries by seq."""
        self.first = 0
        self.last = 0
        """The highest seq; 0: there is no entry."""

    def follow(self, entries: Iterable[JournalEntry]) -> Iterator[JournalEntry]:
        for entry in entries:
            if entry.seq in self._wanted:
                self.hashes.setdefault(entry.seq, entry.hash)
            self.first = min(self.first or entry.seq, entry.seq)
            self.last = max(self.last, entry.seq)
            yield entry


def forged(signed: Iterable[SignedCheckpoint], keys: Collection[PublicKey]) -> Iterator[JournalFinding]:
    """Yields checkpoints that none of these keys has signed."""
    for checkpoint in signed:
        if not any(key.id == checkpoint.key for key in keys):
            yield JournalFinding(
                checkpoint.seq,
                "forged",
                f"the checkpoint at entry {checkpoint.seq} is signed with another key: {checkpoint.key}",
            )
        elif not genuine(checkpoint, keys):
            yield JournalFinding(
                checkpoint.seq,
                "forged",
                f"the checkpoint at entry {checkpoint.seq} was changed: its signature does not hold",
            )


def genuine(checkpoint: SignedCheckpoint, keys: Collection[PublicKey]) -> bool:
    return any(key.id == checkpoint.key and key.signed(checkpoint) for key in keys)


def broken(signed: Iterable[SignedCheckpoint], marks: Marks) -> list[JournalFinding]:
    """Returns how the chain was changed after these checkpoints were signed. The checkpoints are known to be
    genuine."""
    before = marks.first - 1 if marks.first else 0
    seen = sorted(
        (checkpoint for checkpoint in signed if checkpoint.seq > before),
        key=lambda checkpoint: checkpoint.seq,
    )
    inside = [checkpoint for checkpoint in seen if checkpoint.seq in marks.hashes]
    findings: list[JournalFinding] = []
    other = next(
        (checkpoint for checkpoint in inside if marks.hashes[checkpoint.seq] != checkpoint.hash), None
    )
    if other is not None:
        proven = [checkpoint.seq for checkpoint in inside if checkpoint.seq < other.seq]
        findings.append(_rewritten(max(proven, default=before) + 1, other))
    if seen and seen[-1].seq > marks.last:
        findings.append(missing("truncated", marks.last + 1, seen[-1].seq))
    return findings


def _rewritten(first: int, signed: SignedCheckpoint) -> JournalFinding:
    names = f"entry {first} was" if first == signed.seq else f"of entries {first} to {signed.seq} some were"
    when = f"{signed.at:%Y-%m-%d %H:%M:%SZ}"
    return JournalFinding(
        first, "rewritten", f"{names} rewritten: the checkpoint signed at {when} has another hash"
    )


def reach(signed: Iterable[SignedCheckpoint], marks: Marks) -> int:
    """Returns the seq of the last entry that a checkpoint covers; 0: no checkpoint does. The checkpoints are
    known to be genuine."""
    return max(
        (checkpoint.seq for checkpoint in signed if marks.hashes.get(checkpoint.seq) == checkpoint.hash),
        default=0,
    )


def lost(kept: Sequence[SignedCheckpoint], stored: Collection[SignedCheckpoint]) -> Iterator[JournalFinding]:
    """Yields checkpoints that were kept elsewhere and are no longer in the database."""
    for copy in kept:
        if copy not in stored:
            yield JournalFinding(
                copy.seq, "removed", f"the checkpoint at entry {copy.seq} is no longer in the database"
            )


def unsigned(first: int, last: int) -> JournalFinding:
    names = f"entry {first}: no signed checkpoint covers it"
    if first != last:
        names = f"entries {first} to {last}: no signed checkpoint covers them"
    return JournalFinding(first, "unsigned", names)
