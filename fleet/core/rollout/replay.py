"""Rebuilds rollouts from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fleet.core.records.errors import TamperedError
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import RolloutStarted
from fleet.core.rollout.record import UnknownRecord
from fleet.core.rollout.rollout import Rollout

MESSAGE_LENGTH = 300
"""The number of characters of an error's message that are shown."""


def rollouts_of(entries: Iterable[JournalEntry], begun: Mapping[str, Rollout] = {}) -> dict[str, Rollout]:
    """Returns every rollout in the entries, by id, oldest first. `entries`: in the journal's order. `begun`: the
    rollouts as they were before the first of these entries, which are continued.

    Raises TamperedError for an entry that no version of fleet can have written there.
    """
    rollouts = dict(begun)
    for entry in entries:
        try:
            _apply(rollouts, entry)
        except (LookupError, ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
            message = f"entry {entry.seq} of the journal makes no sense: {str(error)[:MESSAGE_LENGTH]}"
            raise TamperedError(message, "fleet audit verify") from error
    return rollouts


def _apply(rollouts: dict[str, Rollout], entry: JournalEntry) -> None:
    record = from_record(entry.record)
    if isinstance(record, RolloutStarted):
        rollouts[record.rollout] = Rollout(record.rollout, record.start, entry.at, entry.actor)
    elif isinstance(record, UnknownRecord) and (record.written_as, record.name) == ("command", "start"):
        raise ValueError(record.problem)
    elif record.rollout in rollouts:
        rollouts[record.rollout].apply(record, entry.at, entry.actor)


def unfinished(rollout: Rollout) -> bool:
    """Returns whether a controller still has something to do for the rollout, or may have once a failed run is released."""
    return rollout.active or bool(rollout.needs_cleanup) or any(run.slot for run in rollout.runs.values())
