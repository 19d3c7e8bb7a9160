"""Estimates when a rollout will end, from its plan and from its pace so far."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from fleet.core.planning.plan import Plan
from fleet.core.policy.schedule import Schedule, Schedules
from fleet.core.policy.windows import OpenSpan
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import WAITING, RolloutState

PACE_NEEDS = 3
"""From this number of ended runs on, the pace so far is a better predictor than the plan alone."""
PACE_RANGE = (0.5, 3.0)
AHEAD = timedelta(weeks=8)
"""How long after the last freeze of a fixed date the end of a rollout is searched."""


def seconds_left(rollout: Rollout, plan: Plan, now: datetime) -> int | None:
    """Returns the seconds until the last run of the plan ends. Returns None if all runs of the plan have ended, if it is not
    known when runs may start, or while no run is in work, unless a freeze is why.

    The remaining time is what the plan expects after as many runs as have ended, multiplied by the pace: how much
    longer the ended runs took than planned. Where the rollout goes by other freezes or calendars than the plan, runs get
    as much time to start as the plan has for them.
    """
    if rollout.state not in (RolloutState.RUNNING, RolloutState.ABORTED) or not rollout.active:
        return None
    planned = sorted(run.end for run in plan.runs)
    ended = sorted(run.since for run in rollout.runs.values() if run.ended and run.since is not None)
    done = len(ended)
    if done >= len(planned):
        return None
    last = ended[-1] if ended else rollout.started_at
    before = planned[done - 1] if done else 0.0
    pace = _pace((last - rollout.started_at).total_seconds(), before) if done >= PACE_NEEDS else 1.0
    if done and not rollout.working:
        if not _frozen(rollout, now):
            return None
        begin = plan.start + timedelta(seconds=before)
        return _by_own_times(
            rollout, plan, now, (begin, begin + timedelta(seconds=planned[-1] - before)), pace
        )
    left = (planned[-1] - before) * pace - (now - last).total_seconds()
    after_next = (planned[-1] - planned[done]) * pace
    seconds = max(left, after_next, 0.0)
    # At least a second: a freeze that came later still holds when the plan's time is over.
    end = now + timedelta(seconds=max(seconds, 1.0))
    if not _other_times(rollout, plan, now, end):
        return round(seconds)
    return _by_own_times(rollout, plan, now, (now, end))


def _by_own_times(
    rollout: Rollout, plan: Plan, now: datetime, span: OpenSpan, pace: float = 1.0
) -> int | None:
    """Returns the seconds until the runs that wait have had as much time to start as the plan has for them in the span,
    multiplied by the pace, and the last of them has ended; None if that time never comes, or is not known."""
    needed = timedelta(seconds=rollout.start.expected_seconds)
    planned = Schedules(plan.policy)
    ends = [now]
    for place in _places(rollout):
        before, own = planned.of(*place), rollout.schedules.of(*place)
        time = sum(
            (last - first for first, last in before.starts(span[0], span[1] - needed, needed)), timedelta()
        )
        moment = _after(own.starts(now, own.last_moment(now, AHEAD), needed), time * pace)
        if moment is None:
            return None
        ends.append(moment + needed)
    return round((max(ends) - now).total_seconds())


def _after(spans: Iterable[OpenSpan], time: timedelta) -> datetime | None:
    """Returns the moment at which so much time of the spans is over; None if they have less."""
    for first, last in spans:
        if last - first >= time:
            return first + time
        time -= last - first
    return None


def _frozen(rollout: Rollout, now: datetime) -> bool:
    """Returns whether a freeze holds every run that has not begun."""
    places = _places(rollout)
    return bool(places) and all(rollout.schedules.of(*place).freezes.in_force(now) for place in places)


def _places(rollout: Rollout) -> set[tuple[str, str, str]]:
    """Returns the pools, clusters and sites of the runs that have not begun."""
    goals = [run.goal for run in rollout.runs.values() if run.step in WAITING]
    return {(goal.pool, goal.node.cluster, goal.site) for goal in goals}


def _other_times(rollout: Rollout, plan: Plan, begin: datetime, end: datetime) -> bool:
    """Returns whether runs that have not begun may start at other times of [begin, end) than by the plan's policy."""
    if rollout.calendars is None and not rollout.override_freeze:
        return False
    planned = Schedules(plan.policy)
    return any(
        _spans(planned.of(*place), begin, end) != _spans(rollout.schedules.of(*place), begin, end)
        for place in _places(rollout)
    )


def _spans(schedule: Schedule, begin: datetime, end: datetime) -> list[OpenSpan]:
    return [] if schedule.unread else schedule.open_spans(begin, end)


def _pace(taken: float, planned: float) -> float:
    low, high = PACE_RANGE
    return min(max(taken / planned, low), high) if planned > 0 else 1.0
