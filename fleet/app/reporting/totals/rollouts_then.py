"""Rollouts as they were at a past moment, from what they are now and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.app.wiring.home import Home
from fleet.core.reporting.past.as_of import (
    STATE_KINDS,
    RolloutThen,
    rollouts_at,
    state_at,
    was_active,
    without_slots,
)
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.rollout import Rollout


def rollouts_then(home: Home, rollouts: Sequence[Rollout], at: datetime) -> list[Rollout]:
    """Returns the rollouts of then. A rollout keeps its present state and slots alone: those of then are in the
    journal."""
    entries, then = home.store.journal.entries, dict[str, RolloutThen]()
    for rollout in rollouts:
        later = frozenset(
            ref
            for ref in without_slots(rollout, at)
            for entry in entries(rollout=rollout.id, node=str(ref), kinds=("release",))
            if entry.at > at
        )
        state = rollout.state
        if was_active(rollout, at) and rollout.state_at > at:
            changes = entries(rollout=rollout.id, kinds=STATE_KINDS)
            state = state_at(((entry.at, from_record(entry.record)) for entry in changes), at)
        then[rollout.id] = RolloutThen(state, later)
    return rollouts_at(rollouts, at, then)
