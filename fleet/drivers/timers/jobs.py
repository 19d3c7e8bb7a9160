"""Runs the scheduled jobs of the controller that leads. Their states are in the database, so that the next controller goes
on where this one stops.

A look is a periodic task of the controller (`fleet.drivers.timers.periodic`). docs/decisions/0012-scheduled-jobs.md says why
the states are not in a job store of APScheduler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from fleet.core.jobs.job import Job, JobOutcome, JobRun, JobState, begun, ended, planned
from fleet.core.records.errors import FleetError, StaleEpochError
from fleet.core.text.durations import format_duration
from fleet.drivers.ports import JobStates
from fleet.system.clock import Clock

LOG = logging.getLogger("fleet.schedule")
STOP_SECONDS = 5.0
"""How long a run that is under way is waited for when the controller stops. A run that goes on then is made again by the
next controller."""
LATE_SECONDS = 60.0
"""A run that begins later than this after its time is reported as late."""

JobsOf = Callable[[], Sequence[Job]]


def no_jobs() -> Sequence[Job]:
    return ()


class JobSchedule:
    """The jobs of one controller, for as long as it leads."""

    def __init__(self, jobs: JobsOf, states: JobStates, clock: Clock, identity: str, epoch: int) -> None:
        """`jobs` returns what the policy asks for now: it is called at each look, so that a change takes effect."""
        self._jobs = jobs
        self._stored = states
        self._clock = clock
        self._identity = identity
        self._epoch = epoch
        self._states: dict[str, JobState] | None = None
        """The states as stored; only this controller changes them while it leads. None: not read yet."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._logged: dict[str, str] = {}
        """The last message of each job."""

    def look(self) -> None:
        """Begins every job that is due, none twice at once. Raises StaleEpochError and StoreError, and what a run has
        raised that is no failure of the job itself."""
        for name, task in list(self._running.items()):
            if task.done():
                del self._running[name]
                task.result()
        now = self._clock.now()
        if self._states is None:
            self._states = dict(self._stored.all())
        for job in self._jobs():
            if job.name in self._running:
                continue
            known = self._states.get(job.name)
            state = planned(job, known, now)
            if state.next_at > now:
                if state != known:
                    self._keep(state)
                continue
            state = begun(job, state, now)
            self._keep(state)
            if known is None or known.outcome != "failed":
                _log_late(state)
            self._running[job.name] = asyncio.create_task(self._run(job, state))

    async def close(self) -> None:
        """Waits a moment for the runs that are under way."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=STOP_SECONDS)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _run(self, job: Job, state: JobState) -> None:
        assert state.due_at is not None and state.began_at is not None
        run = JobRun(job.name, state.due_at, state.began_at, self._identity, self._epoch)
        outcome: JobOutcome = "failed"
        try:
            message = await asyncio.to_thread(job.work, run)
            outcome = "done"
        except StaleEpochError:
            raise
        except FleetError as error:
            message = error.full_message
            LOG.warning("%s: failed: %s", job.name, message)
        except Exception as error:
            # Other work of the controller does not depend on a job: it goes on.
            message = f"this is a bug of fleet: {type(error).__name__}: {error}"
            LOG.exception("%s: %s", job.name, message)
        else:
            # A job that runs every minute mostly does, or waits for, the same as before.
            new = self._logged.get(job.name) != message
            LOG.log(logging.INFO if new else logging.DEBUG, "%s: %s", job.name, message)
        self._logged[job.name] = message
        self._keep(ended(state, self._clock.now(), outcome, message))

    def _keep(self, state: JobState) -> None:
        assert self._states is not None
        self._stored.keep(state, epoch=self._epoch)
        self._states[state.name] = state


def _log_late(state: JobState) -> None:
    assert state.due_at is not None and state.began_at is not None
    late = (state.began_at - state.due_at).total_seconds()
    if late >= LATE_SECONDS:
        more = f", once for {state.missed + 1} times" if state.missed else ""
        LOG.warning(
            "%s: runs %s late%s: no controller ran it since %s",
            state.name,
            format_duration(late),
            more,
            f"{state.due_at:%Y-%m-%d %H:%M} UTC",
        )
