"""When scheduled jobs are due: after a first start, a stop of the controller, a failure, and a change of the policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.jobs.job import RETRY, Job, JobState, begun, ended, planned
from fleet.core.jobs.repeat import CalendarPeriod, PeriodEnd, Repeat, RepeatInterval

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


HOURLY = RepeatInterval(3600)


def a_job(repeat: Repeat = HOURLY) -> Job:
    return Job("calendars", "reads calendars", repeat, lambda run: "")


def test_job_that_never_ran_is_due_at_once_and_a_report_when_its_period_ends() -> None:
    assert planned(a_job(), None, NOW).next_at == NOW
    assert planned(a_job(PeriodEnd("quarter")), None, NOW).next_at == datetime(2027, 1, 1, tzinfo=UTC)


def test_missed_times_are_one_run_which_counts_them() -> None:
    state = JobState("calendars", NOW - 5 * HOUR)
    job = a_job()
    assert planned(job, state, NOW) == state
    run = begun(job, state, NOW)
    assert (run.due_at, run.missed, run.next_at) == (NOW - 5 * HOUR, 5, NOW + HOUR)


def test_run_that_a_controller_did_not_end_is_made_again() -> None:
    job = a_job()
    stopped = begun(job, JobState("calendars", NOW), NOW)
    later = NOW + timedelta(minutes=1)
    again = begun(job, planned(job, stopped, later), later)
    assert (again.began_at, again.due_at) == (later, NOW)


def test_job_that_failed_is_tried_again_soon_for_the_same_time() -> None:
    job = a_job(PeriodEnd("month"))
    due = datetime(2026, 11, 1, tzinfo=UTC)
    failed = ended(begun(job, JobState("report", due), NOW), NOW, "failed", "disk full")
    assert failed.next_at == NOW + RETRY
    assert begun(job, failed, failed.next_at).due_at == due
    done = ended(begun(job, failed, failed.next_at), failed.next_at, "done", "")
    assert done.next_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_shorter_interval_takes_effect_at_once() -> None:
    assert planned(
        a_job(RepeatInterval(60)), JobState("calendars", NOW + HOUR), NOW
    ).next_at == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        ("week", "2026-11-30", "2026-12-07"),
        ("month", "2026-11-01", "2026-12-01"),
        ("quarter", "2026-10-01", "2027-01-01"),
    ],
)
def test_period_ends_where_the_next_one_begins(period: CalendarPeriod, begin: str, end: str) -> None:
    repeat = PeriodEnd(period)
    first, last = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (begin, end))
    assert repeat.after(first) == repeat.after(last - timedelta(seconds=1)) == last
    assert list(repeat.ends(first, last)) == [first, last]


@given(
    st.sampled_from(
        [
            RepeatInterval(60),
            RepeatInterval(3599),
            PeriodEnd("week"),
            PeriodEnd("month"),
            PeriodEnd("quarter"),
        ]
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - hypothesis wants them naive
    st.timedeltas(timedelta(), timedelta(days=900)),
)
def test_run_is_always_followed_by_a_later_one_and_counts_what_was_missed(
    repeat: Repeat, due: datetime, late: timedelta
) -> None:
    due = repeat.after(due.replace(tzinfo=UTC))
    now = due + late
    state = begun(a_job(repeat), JobState("calendars", due), now)
    assert state.next_at > now
    one_by_one, moment = 0, repeat.after(due)
    while moment <= now and one_by_one <= 1000:
        one_by_one, moment = one_by_one + 1, repeat.after(moment)
    assert state.missed == one_by_one or one_by_one > 1000
