"""The scheduled jobs of a controller: when each runs by the policy, and the function that does it.

A new job is one more entry of SOURCES. Its function is named by a text, so that no job is imported before it runs. It
receives the home, the run and the arguments of the entry, works in a thread with a database connection of its own, and
returns what it did; it may be run again after a crash, so that a second run must do no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import NamedTuple

from fleet.app.wiring.home import Home
from fleet.config.policy import PolicyFile, load_file
from fleet.core.jobs.job import Job, JobRun
from fleet.core.jobs.repeat import PeriodEnd, Repeat, RepeatInterval
from fleet.core.policy.times.calendar_events import events_of
from fleet.core.records.errors import FleetError
from fleet.core.standing.outlook import follows
from fleet.core.text.counts import counted
from fleet.drivers.timers.jobs import JobsOf

LOG = logging.getLogger("fleet.schedule")


class JobPlan(NamedTuple):
    """A job that a policy asks for."""

    name: str
    """Never changes: the state is stored under it. Shown to users."""
    why: str
    """What it does and why, for users, in one line."""
    repeat: Repeat
    arguments: Mapping[str, str] = {}


class JobSource(NamedTuple):
    """A kind of job."""

    function: str
    """`package.module:function`, called as `function(home, run, **arguments)`; returns what it did."""
    plans: Callable[[PolicyFile], Iterable[JobPlan]]
    """Returns the jobs of this kind that the policy asks for; none where there is nothing to do."""


def _calendars(file: PolicyFile) -> Iterator[JobPlan]:
    count = len(file.calendars.keys() | events_of(file.policy).names) or len(file.feeds)
    if count:
        yield JobPlan(
            "calendars",
            f"reads {counted(count, 'calendar')} again for rollouts under way (schedule.calendars)",
            RepeatInterval(file.schedule.calendars),
        )


def _policies(file: PolicyFile) -> Iterator[JobPlan]:
    for pool in file.policy.automatic:
        yield JobPlan(
            f"policy {pool.name}",
            f"upgrades pool {pool.name} to new releases of {follows(pool)} (upgrade)",
            RepeatInterval(file.schedule.policies),
            {"pool": pool.name},
        )


def _feeds(file: PolicyFile) -> Iterator[JobPlan]:
    if file.release_feeds:
        count = len(file.release_feeds)
        yield JobPlan(
            "feeds",
            f"reads {count} release feed{'s' if count > 1 else ''} (schedule.feeds)",
            RepeatInterval(file.schedule.feeds),
        )


def _reports(file: PolicyFile) -> Iterator[JobPlan]:
    for rule in file.schedule.reports:
        pools = ",".join(rule.pools)
        words = ("report", rule.every, pools, rule.format)
        yield JobPlan(
            " ".join(word for word in words if word),
            f"writes the report of each {rule.every} as {rule.format} (schedule.reports)",
            PeriodEnd(rule.every),
            {
                "every": rule.every,
                "folder": rule.folder,
                "form": rule.format,
                "pools": pools,
                "within": rule.within,
            },
        )


SOURCES: Sequence[JobSource] = (
    JobSource("fleet.app.schedule.calendars:renew", _calendars),
    JobSource("fleet.app.releases.sync:run_job", _feeds),
    # The forms of a report belong to the command line, which is above this room.
    JobSource("fleet.cli.report.scheduled:write", _reports),
    JobSource("fleet.app.standing.job:perform", _policies),
)
"""Every kind of job."""


def plans_of(file: PolicyFile) -> list[tuple[JobSource, JobPlan]]:
    """Returns every job that the policy asks for, with its kind."""
    return [(source, plan) for source in SOURCES for plan in source.plans(file)]


def jobs_in(home: Home, file: PolicyFile) -> list[Job]:
    """Returns every job that the policy asks for."""
    return [_job(home, source, plan) for source, plan in plans_of(file)]


def jobs_of(home: Home) -> JobsOf:
    """Returns the function by which a controller asks for the jobs of the policy as it is now. While the policy has
    mistakes, the jobs stay as they were."""
    known: list[Job] = []
    version: object = None
    problem = ""

    def jobs() -> Sequence[Job]:
        nonlocal known, version, problem
        now = _version(home)
        if now == version:
            return known
        version = now
        try:
            file = load_file(home.policy_file)[0] if home.has_policy else PolicyFile()
        except FleetError as error:
            if error.message != problem:
                problem = error.message
                LOG.warning("the schedule stays as it was: %s", error.full_message)
            return known
        problem = ""
        known = jobs_in(home, file)
        return known

    return jobs


def _version(home: Home) -> object:
    try:
        found = home.policy_file.stat()
    except OSError:
        return None, None
    return found.st_mtime_ns, found.st_size


def _job(home: Home, source: JobSource, plan: JobPlan) -> Job:
    return Job(plan.name, plan.why, plan.repeat, partial(_work, home, source.function, plan.arguments))


def _work(home: Home, function: str, arguments: Mapping[str, str], run: JobRun) -> str:
    module, _, name = function.partition(":")
    own = Home(home.path, home.database, lambda message: LOG.warning("%s: %s", run.name, message))
    try:
        done: str = getattr(import_module(module), name)(own, run, **arguments)
    finally:
        own.close()
    return done
