"""The state of every scheduled job. Only the controller that holds the lease writes these rows; any process may read
them."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from fleet.core.jobs.job import JobOutcome, JobState
from fleet.core.records.errors import StoreError
from fleet.store.db.database import Row, SqlDatabase, is_row, moment, moment_or_none
from fleet.store.journal import lease
from fleet.store.journal.journal import fence

COLUMNS = "name, next_at, due_at, began_at, ended_at, outcome, message, missed"
MAYBE = (str, datetime, type(None))
TYPES = (str, (str, datetime), MAYBE, MAYBE, MAYBE, str, str, int)
"""The types of the COLUMNS."""
OUTCOMES = get_args(JobOutcome)


class SqlJobs:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def all(self) -> dict[str, JobState]:
        """Returns the state of every job, by name. A row that fleet cannot have written is left out: it must not stop a
        controller, which runs that job as if it had never run, and writes the row again."""
        with self._database.read() as transaction:
            rows = transaction.all(f"SELECT {COLUMNS} FROM job ORDER BY name")  # noqa: S608
        return {state.name: state for row in rows if (state := _state(row)) is not None}

    def keep(self, state: JobState, *, epoch: int) -> None:
        """Writes the state of a job. Raises StaleEpochError where the database's lease has another epoch: another
        controller leads, and schedules."""
        moments = (state.next_at, state.due_at, state.began_at, state.ended_at)
        bound = [self._database.bind(each) if each is not None else None for each in moments]
        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch)
            transaction.run(
                f"INSERT INTO job ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "  # noqa: S608
                "next_at = excluded.next_at, due_at = excluded.due_at, began_at = excluded.began_at, "
                "ended_at = excluded.ended_at, outcome = excluded.outcome, message = excluded.message, "
                "missed = excluded.missed",
                [state.name, *bound, state.outcome, state.message, state.missed],
            )


def _state(row: Row) -> JobState | None:
    if not is_row(row, TYPES) or row[5] not in OUTCOMES:
        return None
    name, next_at, due, began, ended, outcome, message, missed = row
    try:
        due, began, ended = (moment_or_none(each) for each in (due, began, ended))
        return JobState(name, moment(next_at), due, began, ended, outcome, message, missed)
    except StoreError:
        return None
