"""Explains what was done to a broken hash chain: which entries were changed, removed, inserted or swapped. Pure.

The chain is followed back from its end, since each entry names its predecessor's hash. Entries that are not reached
were inserted. Where a predecessor is missing the chain falls into pieces, and the gap in the count shows what is
missing. The explanation is a best effort; whether the chain is broken at all is decided by
`fleet.store.journal.chain.sound`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.records.journal import GENESIS, JournalEntry

What = Literal[
    "changed",
    "removed",
    "inserted",
    "swapped",
    "truncated",
    "rewritten",
    "forged",
    "unsigned",
    "unlike",
]
"""rewritten: the entry differs from the one that was signed. forged: the key has not signed the checkpoint. unsigned:
no checkpoint covers the entry. unlike: a report differs from its entries."""
HashOf = Callable[[JournalEntry], str]


class ChainEnd(Struct, frozen=True):
    """The end of the chain at its last append, kept apart from the chain."""

    seq: int
    hash: str
    count: int
    """How many entries were written in total."""


class JournalFinding(Struct, frozen=True):
    """A problem of the journal: `seq` is the entry's number, `message` is for the operator."""

    seq: int
    what: What
    message: str


class Origin(Struct, frozen=True):
    """The state before the first entry. A part of a journal begins after an entry that the part does not include."""

    seq: int = 0
    hash: str = GENESIS


BEGINNING = Origin()


class ChainPart(Struct, frozen=True):
    """Entries each of which names the one before it, in the order in which they were written."""

    entries: tuple[JournalEntry, ...]
    places: tuple[int, ...]
    """The `seq` with which each entry was written, which may differ from its `seq` now."""


def broken(
    entries: Sequence[JournalEntry], checkpoint: ChainEnd | None, hash_of: HashOf, origin: Origin
) -> Iterator[JournalFinding]:
    """Yields what was done to a broken chain; `entries` come in the order of `seq`."""
    pieces, reached = _pieces(entries, checkpoint, hash_of, origin)
    for index, entry in enumerate(entries):
        if index not in reached:
            yield JournalFinding(
                entry.seq, "inserted", f"entry {entry.seq} was inserted: no entry follows it"
            )
    yield from _out_of_order(entries)
    for number, piece in enumerate(pieces):
        yield from _before(pieces[number - 1] if number else None, piece, origin)
        yield from _changed(piece, hash_of)
        yield from _swapped(piece)
    if checkpoint is not None:
        yield from _end(pieces[-1] if pieces else None, checkpoint)


def _pieces(
    entries: Sequence[JournalEntry], checkpoint: ChainEnd | None, hash_of: HashOf, origin: Origin
) -> tuple[list[ChainPart], set[int]]:
    """Returns the pieces of the chain, first to last, and the indexes of all entries in them."""
    by_hash = {entry.hash: index for index, entry in reversed(list(enumerate(entries)))}
    tip = by_hash.get(checkpoint.hash) if checkpoint is not None else None
    if tip is None:
        tip = _deepest(entries, by_hash)
    reached: set[int] = set()
    pieces: list[ChainPart] = []
    while tip is not None:
        walk: list[int] = []
        index: int | None = tip
        while index is not None and index not in reached:
            reached.add(index)
            walk.append(index)
            index = by_hash.get(entries[index].prev_hash)
        found = tuple(entries[number] for number in reversed(walk))
        end = checkpoint.seq if checkpoint is not None and found[-1].hash == checkpoint.hash else None
        pieces.append(ChainPart(found, _places(found, end, hash_of, origin)))
        whole = found[0].prev_hash == origin.hash
        tip = (
            None
            if whole
            else max((number for number in range(min(walk)) if number not in reached), default=None)
        )
    return pieces[::-1], reached


def _deepest(entries: Sequence[JournalEntry], by_hash: Mapping[str, int]) -> int | None:
    """Returns the index of the entry with the most predecessors; among equals, the last."""
    depth: dict[int, int] = {}
    for start in range(len(entries)):
        walk: list[int] = []
        index: int | None = start
        while index is not None and index not in depth:
            depth[index] = 0
            walk.append(index)
            index = by_hash.get(entries[index].prev_hash)
        below = depth[index] if index is not None else 0
        for above, number in enumerate(reversed(walk), start=1):
            depth[number] = below + above
    return max(depth, key=lambda number: (depth[number], number), default=None)


def _places(
    entries: Sequence[JournalEntry], end: int | None, hash_of: HashOf, origin: Origin
) -> tuple[int, ...]:
    """Returns the `seq` with which each entry was written, counted from an entry whose hash proves its `seq`. Without
    such an entry, the count goes back from a known end."""
    first = next((entry.seq - at for at, entry in enumerate(entries) if hash_of(entry) == entry.hash), None)
    if first is None and end is not None:
        first = end - len(entries) + 1
    if first is None:
        first = origin.seq + 1 if entries[0].prev_hash == origin.hash else entries[0].seq
    return tuple(range(first, first + len(entries)))


def _out_of_order(entries: Sequence[JournalEntry]) -> Iterator[JournalFinding]:
    """Yields entries that are out of order. This occurs in an exported report only; a table has its own order."""
    for before, entry in pairwise(entries):
        if entry.seq < before.seq:
            yield JournalFinding(entry.seq, "swapped", f"entry {entry.seq} comes after entry {before.seq}")


def _before(piece: ChainPart | None, after: ChainPart, origin: Origin) -> Iterator[JournalFinding]:
    """Yields what is wrong between two pieces, or before the first one."""
    last = piece.places[-1] if piece is not None else origin.seq
    first = after.places[0]
    if first > last + 1:
        yield missing("removed", last + 1, first - 1)
    elif piece is not None:
        seq = piece.entries[-1].seq
        yield JournalFinding(
            seq, "changed", f"entry {seq} was changed and hashed again: entry {first} refers to another hash"
        )
    elif after.entries[0].prev_hash != origin.hash:
        seq = after.entries[0].seq
        yield JournalFinding(
            seq, "changed", f"entry {seq} was changed: it is the first, but refers to one before it"
        )


def _changed(piece: ChainPart, hash_of: HashOf) -> Iterator[JournalFinding]:
    for entry, place in zip(piece.entries, piece.places, strict=True):
        if hash_of(replace(entry, seq=place)) != entry.hash:
            yield JournalFinding(entry.seq, "changed", f"entry {entry.seq} was changed: its hash differs")


def _swapped(piece: ChainPart) -> Iterator[JournalFinding]:
    """Yields entries whose order now is not the one in which they were written. (A single missing entry moves all
    later ones.)"""
    now = {place: entry.seq for entry, place in zip(piece.entries, piece.places, strict=True)}
    highest = 0
    for place, seq in now.items():
        if seq != place and now.get(seq) == place:
            if seq > place:
                yield JournalFinding(place, "swapped", f"entries {place} and {seq} are swapped")
        elif seq < highest:
            yield JournalFinding(seq, "swapped", f"entry {seq} was moved: it was written as entry {place}")
        else:
            highest = seq


def _end(piece: ChainPart | None, checkpoint: ChainEnd) -> Iterator[JournalFinding]:
    last = piece.places[-1] if piece is not None else 0
    if piece is not None and piece.entries[-1].hash == checkpoint.hash:
        if (checkpoint.seq, checkpoint.count) != (last, last):
            yield JournalFinding(
                last, "changed", f"the checkpoint was changed: it counts {checkpoint.count} entries of {last}"
            )
    elif last < checkpoint.seq:
        yield missing("truncated", last + 1, checkpoint.seq)
    elif last == checkpoint.seq:
        yield JournalFinding(
            last, "changed", f"entry {last} was changed and hashed again: the checkpoint has another hash"
        )
    else:
        yield JournalFinding(
            last, "inserted", f"entries after {checkpoint.seq} were inserted: the checkpoint ends there"
        )


def missing(what: What, first: int, last: int) -> JournalFinding:
    """Returns the finding for entries that are missing."""
    names = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    end = ": the end of the journal was cut off" if what == "truncated" else ""
    return JournalFinding(first, what, f"{names} missing{end}")
