"""All rollouts for a status: those that have ended are read in brief."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fleet.core.reporting.ended_rollout import EndedRollout

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout
    from fleet.drivers.ports import CheckpointStore, Journal


def in_brief(
    journal: Journal,
    folds: CheckpointStore,
    but: Callable[[EndedRollout], bool] = lambda rollout: False,
) -> list[Rollout | EndedRollout]:
    """Returns all rollouts, oldest first: those that go on, or have changed since the last checkpoint, in full, as are
    those that `but` is true for. Raises TamperedError for an entry of the journal that no fleet can have written."""
    place, kept = folds.in_brief()
    later = {entry.record.rollout for entry in journal.entries(after=place)}
    ended = {
        rollout.id: rollout
        for rollout in kept
        if rollout.ended_at is not None and rollout.id not in later and rollout.is_whole and not but(rollout)
    }
    if len(ended) == len(kept) and not later - {""}:
        return [*ended.values()]
    # Only where it is needed: it imports all that rollouts are made of.
    from fleet.drivers.journal.checkpoints import standing

    full = standing(journal, folds, without=ended).rollouts
    order = dict.fromkeys([*(rollout.id for rollout in kept), *full])
    return [full.get(ident) or ended[ident] for ident in order]


def active_of(rollouts: Iterable[Rollout | EndedRollout]) -> list[Rollout]:
    """Returns those that go on, which are never read in brief."""
    return [rollout for rollout in rollouts if not isinstance(rollout, EndedRollout) and rollout.active]
