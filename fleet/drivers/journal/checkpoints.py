"""All rollouts from the journal, without reading again what was kept of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

from fleet.core.records.errors import TamperedError
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.drivers.ports import CheckpointStore, Journal

ENOUGH = 2000
"""Number of new entries after which checkpoints are written."""
FEW = 100
"""Number of new entries after which they are written once nothing has happened for a while."""
REST = timedelta(minutes=10)
"""How long nothing must have happened."""


class Standing(NamedTuple):
    """All rollouts after one entry of the journal."""

    seq: int
    """0: the journal is empty."""
    rollouts: dict[str, Rollout]
    """The rollouts by id, oldest first."""
    place: int
    """The entry up to which they had been kept."""
    changed: frozenset[str]
    """Rollouts that have entries after that."""
    at: datetime | None
    """The time of the last of these entries; None: there is none."""


def standing(journal: Journal, folds: CheckpointStore, without: Collection[str] = ()) -> Standing:
    """Returns all rollouts at the journal's end. Raises TamperedError for an entry that no fleet can have written.

    `without`: ids of rollouts that have no later entry and may be left out, so that they need not be restored."""
    place, known = _kept(folds, without)
    try:
        return _after(journal, place, known)
    except TamperedError:
        if not place:
            raise
        # What was kept may be what makes no sense: the journal decides.
        return _after(journal, 0, {})


def _after(journal: Journal, place: int, known: dict[str, Rollout]) -> Standing:
    changed: set[str] = set()
    seq, at = place, None

    def entries() -> Iterator[JournalEntry]:
        nonlocal seq, at
        for entry in journal.entries(after=place):
            seq, at = entry.seq, entry.at
            changed.add(entry.record.rollout)
            yield entry

    rollouts = rollouts_of(entries(), known)
    return Standing(seq, rollouts, place, frozenset(changed), at)


def keep(
    journal: Journal, folds: CheckpointStore, at: datetime, actor: str, epoch: int = 0, enough: int = ENOUGH
) -> None:
    """Writes down how the rollouts stand, where so many entries have come since the last time, or fewer and none for a
    while. Raises StaleEpochError as an append to the journal does."""
    now = standing(journal, folds)
    rests = now.at is not None and at - now.at >= REST
    if now.seq - now.place < (min(FEW, enough) if rests else enough):
        return
    changed = {
        ident: (order, take_checkpoint(rollout))
        for order, (ident, rollout) in enumerate(now.rollouts.items())
        if ident in now.changed
    }
    folds.keep(now.place, now.seq, changed, at=at, actor=actor, epoch=epoch)


def differing(journal: Journal, folds: CheckpointStore) -> tuple[int, list[str]]:
    """Returns the entry up to which rollouts are kept, and the rollouts that the journal has otherwise. Reads all of
    the journal up to there. Raises TamperedError for an entry that no fleet can have written."""
    place, known = _kept(folds)
    truth = rollouts_of(takewhile(lambda entry: entry.seq <= place, journal.entries()))
    idents = dict.fromkeys([*truth, *known])
    return place, [
        ident
        for ident in idents
        if ident not in truth
        or ident not in known
        or take_checkpoint(truth[ident]) != take_checkpoint(known[ident])
    ]


def _kept(folds: CheckpointStore, without: Collection[str] = ()) -> tuple[int, dict[str, Rollout]]:
    """Returns what was kept. What makes no sense counts as not kept: the journal has it again."""
    place, kept = folds.load(without)
    try:
        return place, {checkpoint.id: restore_checkpoint(checkpoint) for checkpoint in kept}
    except (LookupError, ValueError, TypeError, AttributeError):
        return 0, {}
