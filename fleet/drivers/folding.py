"""All rollouts from the journal, without reading again what was kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleet.core.folded import fold, unfold
from fleet.core.history import rollouts_of
from fleet.core.journal import Entry
from fleet.core.rollout import Rollout
from fleet.drivers.ports import Folds, Journal

ENOUGH = 2000
"""Entries that are worth keeping rollouts anew."""


class Standing(NamedTuple):
    """All rollouts after one entry of the journal."""

    seq: int
    """0: the journal is empty."""
    digest: str
    """Of that entry; empty where nothing was read after what was kept."""
    rollouts: dict[str, Rollout]
    """By id, oldest first."""
    place: int
    """The entry up to which they had been kept."""
    changed: frozenset[str]
    """Rollouts that were told of after that."""


def standing(journal: Journal, folds: Folds) -> Standing:
    """At the journal's end. Raises TamperedError for an entry that no fleet can have written."""
    place, known = _kept(folds)
    changed: set[str] = set()
    last = None

    def entries() -> Iterator[Entry]:
        nonlocal last
        for last in journal.entries(after=place):
            changed.add(last.record.rollout)
            yield last

    rollouts = rollouts_of(entries(), known)
    seq, digest = (last.seq, last.hash) if last is not None else (place, "")
    return Standing(seq, digest, rollouts, place, frozenset(changed))


def keep(journal: Journal, folds: Folds, enough: int = ENOUGH) -> None:
    """Writes down how the rollouts stand, where so many entries have come since the last time."""
    now = standing(journal, folds)
    if now.seq - now.place < enough:
        return
    changed = {
        ident: (order, fold(rollout))
        for order, (ident, rollout) in enumerate(now.rollouts.items())
        if ident in now.changed
    }
    folds.keep(now.place, now.seq, now.digest, changed)


def _kept(folds: Folds) -> tuple[int, dict[str, Rollout]]:
    """What makes no sense is as if it had not been kept: the journal tells it again."""
    place, kept = folds.load()
    try:
        return place, {each.id: unfold(each) for each in kept}
    except ValueError:
        return 0, {}
