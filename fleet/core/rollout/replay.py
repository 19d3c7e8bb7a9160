"""Rebuilds rollouts from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fleet.core.records.errors import SchemaError, TamperedError
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import RolloutStarted
from fleet.core.rollout.record import UnknownKindError, UnknownRecord
from fleet.core.rollout.rollout import Rollout

MESSAGE_LENGTH = 300
"""The number of characters of an error's message that are shown."""


def rollouts_of(entries: Iterable[JournalEntry], begun: Mapping[str, Rollout] = {}) -> dict[str, Rollout]:
    """Returns every rollout in the entries, by id, oldest first. `entries`: in the journal's order. `begun`: the
    rollouts as they were before the first of these entries, which are continued.

    Raises SchemaError for an entry of a kind that only a newer fleet knows, TamperedError for one that no version of
    fleet can have written there.
    """
    rollouts = dict(begun)
    for entry in entries:
        try:
            _apply(rollouts, entry)
        except UnknownKindError as error:
            raise newer(entry, error) from error
        except (LookupError, ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
            message = f"entry {entry.seq} of the journal makes no sense: {str(error)[:MESSAGE_LENGTH]}"
            raise TamperedError(message, "fleet audit verify") from error
    return rollouts


def newer(entry: JournalEntry, error: ValueError) -> SchemaError:
    """Returns the error of a program that is too old to continue a rollout."""
    return SchemaError(
        f"entry {entry.seq} of the journal was written by a newer fleet: {error}",
        "run the newer fleet: this one does not know what the entry means, and does nothing",
    )


def _apply(rollouts: dict[str, Rollout], entry: JournalEntry) -> None:
    record = from_record(entry.record)
    if isinstance(record, RolloutStarted):
        rollouts[record.rollout] = Rollout(record.rollout, record.start, entry.at, entry.actor)
    elif isinstance(record, UnknownRecord) and (record.written_as, record.name) == ("command", "start"):
        raise record.error
    elif record.rollout in rollouts:
        rollouts[record.rollout].apply(record, entry.at, entry.actor)


def unfinished(rollout: Rollout) -> bool:
    """Returns whether a controller still has something to do for the rollout, or may have once a failed run is released."""
    return rollout.active or bool(rollout.needs_cleanup) or any(run.slot for run in rollout.runs.values())
