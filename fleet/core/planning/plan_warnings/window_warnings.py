"""Warnings about windows: ones that are short or never open, freezes inside a plan, and plans that end too late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import UnsetType

from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import PlanWarning
from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.schedule import Schedule, format_moment
from fleet.core.releases.release import Release
from fleet.core.text.durations import format_duration

MOST_FREEZES = 3
"""The most freezes inside a plan that it warns of."""


def windows_that_never_open(pool: Pool, start: datetime, schedule: Schedule) -> Iterator[PlanWarning]:
    """Yields a warning if no window of the schedule ever opens from `start` on."""
    if schedule.levels and not schedule.unread and schedule.opens(start) is None:
        levels = " and ".join(level.name for level in schedule.levels)
        message = f"the windows of {levels} never open{' together' * (len(schedule.levels) > 1)}"
        remedy = "change the windows: fleet window preview shows the days to come"
        yield PlanWarning("window-never", "", f"pool {pool.name}", message, remedy)


def short_windows(
    pool: Pool, times: DurationEstimates, start: datetime, schedule: Schedule
) -> Iterator[PlanWarning]:
    """Yields a warning if a run of the pool that begins in a window of the schedule cannot end in it."""
    if not schedule.levels:
        return
    weeks = 4 if all(level.recurs_weekly for level in schedule.levels) else 54
    opened = schedule.window_spans(start, start + timedelta(weeks=weeks))
    longest = max((end - begin for begin, end in opened), default=timedelta())
    reboot = times.estimate("reboot", pool.name).p95
    needed = reboot + times.estimate("pod_stop").p95 + times.estimate("pod_start").p95 + pool.soak_seconds
    if opened and longest.total_seconds() < needed:
        message = (
            f"its longest window is {format_duration(longest.total_seconds())}, and a slow run takes "
            f"{format_duration(needed)}: runs end after the window"
        )
        yield PlanWarning(
            "window-short", "", f"pool {pool.name}", message, "make a window longer, or soak shorter"
        )


def freezes_inside(schedules: Iterable[Schedule], start: datetime, seconds: float) -> Iterator[PlanWarning]:
    """Yields a warning for each of the first freezes that are in force while the plan lasts. `schedules`: those of the
    plan's nodes."""
    end = start + timedelta(seconds=seconds)
    during = {freeze for each in dict.fromkeys(schedules) for freeze in each.freezes.during(start, end)}
    found = sorted(during, key=lambda freeze: (freeze.begin, freeze.until, freeze.name, freeze.where))
    for freeze in found[:MOST_FREEZES]:
        begin, until = (format_moment(moment, start, "UTC") for moment in (freeze.begin, freeze.until))
        if freeze.begin <= start:
            message = f"it is in force, and no run starts until {until}: nodes wait for that"
            remedy = "wait; what cannot wait: fleet rollout start PLAN --override-freeze REASON"
        else:
            message = f"no run starts from {begin} to {until}, before the plan ends: nodes wait for it"
            remedy = "start earlier, or see whether the rest may wait so long"
        yield PlanWarning("freeze-inside", "", f"{freeze.name}{freeze.where}", message, remedy)


def late_for_patch_within(
    policy: Policy, pools: Iterable[str], release: Release, start: datetime, seconds: float
) -> Iterator[PlanWarning]:
    """Yields a warning for each of the pools whose `patch_within` is over before the plan ends. It counts from the
    release's date; without one, from the start of the plan, and the message says so."""
    end = start + timedelta(seconds=seconds)
    since = start if isinstance(release.released, UnsetType) else release.released
    for name in pools:
        pool = policy.pool(name)
        if pool is None or isinstance(pool.patch_within_seconds, UnsetType):
            continue
        due = since + timedelta(seconds=pool.patch_within_seconds)
        if end > due:
            counted = (
                "the release"
                if since is not start
                else "this plan, since the stream has no date of the release"
            )
            message = (
                f"the plan ends {format_moment(end, start, 'UTC')}, and patch_within "
                f"({format_duration(pool.patch_within_seconds)} from {counted}) is over "
                f"{format_moment(due, start, 'UTC')}"
            )
            remedy = "longer or more windows, higher limits, or fleet plan --what-if"
            yield PlanWarning("patch-within", "", f"pool {name}", message, remedy)
