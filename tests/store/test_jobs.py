"""The states of scheduled jobs: kept over restarts, written by the controller that leads alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fleet.core.jobs.job import Job, JobRun, JobState, begun, ended
from fleet.core.jobs.repeat import RepeatInterval
from fleet.core.records.errors import StaleEpochError
from fleet.drivers.timers.jobs import JobSchedule
from fleet.simulated.clock import SimulatedClock
from fleet.store import Store

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lead(store: Store, name: str) -> int:
    """Takes the lease, whoever holds it."""
    return store.lease.acquire(name, at=NOW, seconds=15, abandoned=lambda holder: True).epoch


def test_state_is_kept_over_restarts(place: str) -> None:
    job = Job("calendars", "", RepeatInterval(3600), lambda run: "")
    state = ended(begun(job, JobState("calendars", NOW - HOUR), NOW), NOW + HOUR, "done", "2 read")
    with Store.open(place) as store:
        epoch = lead(store, "one")
        store.jobs.keep(JobState("reports", NOW), epoch=epoch)
        store.jobs.keep(JobState("calendars", NOW), epoch=epoch)
        store.jobs.keep(state, epoch=epoch)
    with Store.open(place) as store:
        assert store.jobs.all() == {"calendars": state, "reports": JobState("reports", NOW)}


def test_controller_that_lost_the_lease_writes_nothing(place: str) -> None:
    with Store.open(place) as one, Store.open(place) as other:
        old = lead(one, "one")
        new = lead(other, "other")
        with pytest.raises(StaleEpochError):
            one.jobs.keep(JobState("calendars", NOW), epoch=old)
        assert other.jobs.all() == {}
        other.jobs.keep(JobState("calendars", NOW), epoch=new)
        assert list(one.jobs.all()) == ["calendars"]


def test_of_two_controllers_on_one_database_one_runs_a_job(place: str) -> None:
    """The first has begun when the second takes the lease: the second makes the run again, and the first's end is not
    taken."""
    runs: list[str] = []

    def work(run: JobRun) -> str:
        runs.append(run.identity)
        return run.identity

    async def story(one: Store, other: Store) -> None:
        clock = SimulatedClock(NOW)
        jobs = [Job("calendars", "", RepeatInterval(3600), work)]
        first = JobSchedule(lambda: jobs, one.jobs, clock, "one", lead(one, "one"))
        second = JobSchedule(lambda: jobs, other.jobs, clock, "other", lead(other, "other"))
        with pytest.raises(StaleEpochError):
            first.look()
        second.look()
        await second.close()
        with pytest.raises(StaleEpochError):
            first.look()
        second.look()
        await first.close()
        await second.close()

    with Store.open(place) as one, Store.open(place) as other:
        asyncio.run(story(one, other))
    assert runs == ["other"]


@pytest.mark.parametrize(
    "change", ["outcome = 'odd'", "next_at = '1'", "missed = 'many'"], ids=["outcome", "moment", "number"]
)
def test_state_that_fleet_cannot_have_written_counts_as_none_and_is_written_again(
    store: Store, place: str, tamper: Callable[..., None], change: str
) -> None:
    epoch = lead(store, "one")
    store.jobs.keep(JobState("calendars", NOW), epoch=epoch)
    store.jobs.keep(JobState("reports", NOW), epoch=epoch)
    if place.startswith("postgres") and "outcome" not in change:
        pytest.skip("PostgreSQL refuses such a value")
    tamper(f"UPDATE job SET {change} WHERE name = 'calendars'")
    assert list(store.jobs.all()) == ["reports"]
    store.jobs.keep(JobState("calendars", NOW), epoch=epoch)
    assert list(store.jobs.all()) == ["calendars", "reports"]
