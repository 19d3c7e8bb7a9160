"""A controller runs the jobs that are due, and nothing once another one leads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from fleet.core.jobs.job import Job, JobRun, JobState
from fleet.core.jobs.repeat import RepeatInterval
from fleet.core.records.errors import FleetError, StaleEpochError
from fleet.drivers.timers.jobs import JobSchedule

START = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("jobs wait for a look, and never sleep")


class States:
    """The states of one database, which only the controller of one epoch may write."""

    def __init__(self) -> None:
        self.epoch = 1
        self.states: dict[str, JobState] = {}

    def all(self) -> Mapping[str, JobState]:
        return self.states

    def keep(self, state: JobState, *, epoch: int) -> None:
        if epoch != self.epoch:
            raise StaleEpochError("another controller leads")
        self.states[state.name] = state


class Controllers:
    """The jobs of one fleet, and the controllers that run them one after another."""

    def __init__(self, work: Callable[[JobRun], str]) -> None:
        self.clock, self.states = Clock(), States()
        self.jobs = [Job("calendars", "reads calendars", RepeatInterval(3600), work)]

    def schedule(self, epoch: int = 1) -> JobSchedule:
        self.states.epoch = epoch
        return JobSchedule(lambda: self.jobs, self.states, self.clock, f"controller-{epoch}", epoch)

    @property
    def state(self) -> JobState:
        return self.states.states["calendars"]


def test_due_job_runs_once_and_again_after_its_interval() -> None:
    runs: list[JobRun] = []

    def work(run: JobRun) -> str:
        runs.append(run)
        return f"run {len(runs)}"

    async def story() -> None:
        fleet = Controllers(work)
        schedule = fleet.schedule()
        for _ in range(3):
            schedule.look()
            await schedule.close()
        assert (len(runs), fleet.state.outcome, fleet.state.message) == (1, "done", "run 1")
        fleet.clock.at += timedelta(hours=1)
        schedule.look()
        await schedule.close()
        assert [run.due for run in runs] == [START, START + timedelta(hours=1)]
        await schedule.close()

    asyncio.run(story())


def test_job_is_not_begun_twice_at_once() -> None:
    free = threading.Event()
    runs: list[JobRun] = []

    def work(run: JobRun) -> str:
        runs.append(run)
        assert free.wait(30)
        return ""

    async def story() -> None:
        fleet = Controllers(work)
        schedule = fleet.schedule()
        schedule.look()
        fleet.clock.at += timedelta(hours=5)
        schedule.look()
        assert len(runs) <= 1
        free.set()
        await schedule.close()
        schedule.look()
        await schedule.close()
        assert (len(runs), fleet.state.missed) == (2, 4)

    asyncio.run(story())


def test_next_controller_runs_once_what_was_missed_and_reports_it(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        fleet = Controllers(lambda run: "read")
        first = fleet.schedule()
        first.look()
        await first.close()
        fleet.clock.at += timedelta(hours=7)
        with caplog.at_level(logging.WARNING, "fleet.schedule"):
            second = fleet.schedule(2)
            second.look()
            await second.close()
        assert (fleet.state.due_at, fleet.state.missed) == (START + timedelta(hours=1), 6)
        assert [record.args for record in caplog.records if record.args] == [
            ("calendars", "6h", ", once for 7 times", "2026-11-30 13:00 UTC")
        ]

    asyncio.run(story())


def test_what_a_job_did_is_logged_again_only_where_it_differs(caplog: pytest.LogCaptureFixture) -> None:
    messages = ["waiting", "waiting", "started"]

    async def story() -> None:
        fleet = Controllers(lambda run: messages.pop(0))
        schedule = fleet.schedule()
        with caplog.at_level(logging.INFO, "fleet.schedule"):
            for _ in range(3):
                schedule.look()
                await schedule.close()
                fleet.clock.at += timedelta(hours=1)
        assert [record.args for record in caplog.records] == [
            ("calendars", "waiting"),
            ("calendars", "started"),
        ]

    asyncio.run(story())


def test_controller_that_lost_the_lease_begins_nothing() -> None:
    runs: list[JobRun] = []

    def work(run: JobRun) -> str:
        runs.append(run)
        return ""

    async def story() -> None:
        fleet = Controllers(work)
        old = fleet.schedule(1)
        fleet.schedule(2)
        with pytest.raises(StaleEpochError):
            old.look()
        assert not runs

    asyncio.run(story())


def test_controller_that_lost_the_lease_during_a_run_stops() -> None:
    begun, free = threading.Event(), threading.Event()

    def work(run: JobRun) -> str:
        begun.set()
        assert free.wait(30)
        return "done"

    async def story() -> None:
        fleet = Controllers(work)
        old = fleet.schedule(1)
        old.look()
        await asyncio.to_thread(begun.wait, 30)
        new = fleet.schedule(2)
        free.set()
        await old.close()
        with pytest.raises(StaleEpochError):
            old.look()
        assert fleet.state.message == ""
        new.look()
        await new.close()
        assert fleet.state.message == "done"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FleetError("the disk is full", "free some space"), "the disk is full (free some space)"),
        (KeyError("x"), "KeyError"),
    ],
)
def test_failed_job_is_kept_with_its_reason_and_tried_again(error: Exception, message: str) -> None:
    def work(run: JobRun) -> str:
        raise error

    async def story() -> None:
        fleet = Controllers(work)
        schedule = fleet.schedule()
        schedule.look()
        await schedule.close()
        assert fleet.state.outcome == "failed" and message in fleet.state.message
        assert START < fleet.state.next_at < START + timedelta(hours=1)
        schedule.look()

    asyncio.run(story())
