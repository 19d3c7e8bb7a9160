"""A job, what is stored of it, and the decision whether it is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.jobs.repeat import Repeat, RepeatInterval

RETRY = timedelta(minutes=5)
"""A job that has failed runs again after this time, if its next time is later."""

JobOutcome = Literal["", "running", "done", "failed"]
"""What came of the last run. Empty: the job has never run."""


class JobState(Struct, frozen=True):
    """Holds what is stored of a job, so that the next controller goes on where the last one stopped."""

    name: str
    next_at: datetime
    due_at: datetime | None = None
    """The first time for which the last run was made; earlier than its begin if no controller was there to run it."""
    began_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: JobOutcome = ""
    message: str = ""
    """What the last run did, or why it failed."""
    missed: int = 0
    """How many more times had come before the last run began, for which it was the only run."""


class JobRun(NamedTuple):
    """One run of a job, as its function receives it."""

    name: str
    due: datetime
    """The first time for which the job has not been done yet."""
    at: datetime
    """When this run began."""
    identity: str
    """The controller."""
    epoch: int
    """The epoch of the controller's lease. What a job appends to the journal carries it, so that a controller that has
    lost the lease appends nothing."""


class Job(NamedTuple):
    """A job that the policy asks for."""

    name: str
    """The name under which its state is stored. It never changes, and is shown to users."""
    why: str
    """What it does and why, for users: `reads 2 calendars by URL (schedule.calendars)`."""
    repeat: Repeat
    work: Callable[[JobRun], str]
    """Does the job, in a thread of its own, and returns what it did. Raises FleetError with a remedy."""


def planned(job: Job, state: JobState | None, now: datetime) -> JobState:
    """Returns the state of the job with the time of its next run, which may be over.

    A job that never ran is due at once, or at the end of the present period. A shorter interval takes effect at once.
    A run that a controller has not ended is made again.
    """
    if state is None:
        return JobState(job.name, now if isinstance(job.repeat, RepeatInterval) else job.repeat.after(now))
    if state.outcome == "running" and state.next_at > now:
        return replace(state, next_at=now)
    latest = job.repeat.after(now)
    return replace(state, next_at=latest) if state.next_at > latest else state


def begun(job: Job, state: JobState, now: datetime) -> JobState:
    """Returns the state with a run that begins now. All times that were missed are one run."""
    owed = state.due_at if state.outcome in ("running", "failed") else None
    due = owed or state.next_at
    missed = max(0, job.repeat.missed(state.next_at, now) - 1)
    return JobState(job.name, job.repeat.after(now), due, now, None, "running", "", missed)


def ended(state: JobState, now: datetime, outcome: JobOutcome, message: str) -> JobState:
    """Returns the state after the run: one that failed is tried again soon."""
    next_at = min(state.next_at, now + RETRY) if outcome == "failed" else state.next_at
    return replace(state, ended_at=now, outcome=outcome, message=message, next_at=next_at)
