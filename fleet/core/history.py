"""Rollouts as the journal tells them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fleet.core.journal import Entry
from fleet.core.rollout import Rollout, Start


def rollouts_of(entries: Iterable[Entry]) -> dict[str, Rollout]:
    """Every rollout in the entries, by id, oldest first. The entries are in the journal's order."""
    rollouts: dict[str, Rollout] = {}
    for entry in entries:
        record = entry.record
        if record.form == "command" and record.kind == "start":
            start = msgspec.convert(record.detail, Start)
            rollouts[record.rollout] = Rollout(record.rollout, start, entry.at, entry.actor)
        elif record.rollout in rollouts:
            rollouts[record.rollout].apply(record, entry.at, entry.actor)
    return rollouts


def unfinished(rollout: Rollout) -> bool:
    """A controller still has something to do for it, or may have when a person releases a failed run."""
    return rollout.active or bool(rollout.untidy) or any(run.slot for run in rollout.runs.values())
