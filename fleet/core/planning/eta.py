"""Estimates when a rollout will end, from its plan and from its pace so far."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.planning.plan import Plan
from fleet.core.policy.schedule import Schedule, Schedules
from fleet.core.policy.windows import OpenSpan
from fleet.core.rollout.rollout import Rollout, RolloutState
from fleet.core.rollout.steps import WAITING

PACE_NEEDS = 3
"""From this number of ended runs on, the pace so far is a better predictor than the plan alone."""
PACE_RANGE = (0.5, 3.0)


def seconds_left(rollout: Rollout, plan: Plan, now: datetime) -> int | None:
    """Returns the seconds until the last run of the plan ends. Returns None while no run is in work, if all runs of the
    plan have ended, or if runs may start at other times than the plan presumes, because a calendar has changed or
    freezes are ignored.

    The remaining time is what the plan expects after as many runs as have ended, multiplied by the pace: how much
    longer the ended runs took than planned.
    """
    if rollout.state not in (RolloutState.RUNNING, RolloutState.ABORTED) or not rollout.active:
        return None
    planned = sorted(run.end for run in plan.runs)
    ended = sorted(run.since for run in rollout.runs.values() if run.ended and run.since is not None)
    done = len(ended)
    if done >= len(planned) or (done and not rollout.working):
        return None
    last = ended[-1] if ended else rollout.started_at
    before = planned[done - 1] if done else 0.0
    pace = _pace((last - rollout.started_at).total_seconds(), before) if done >= PACE_NEEDS else 1.0
    left = (planned[-1] - before) * pace - (now - last).total_seconds()
    after_next = (planned[-1] - planned[done]) * pace
    seconds = max(left, after_next, 0.0)
    # At least a second: a freeze that came later still holds when the plan's time is over.
    end = now + timedelta(seconds=max(seconds, 1.0))
    return None if _other_times(rollout, plan, now, end) else round(seconds)


def _other_times(rollout: Rollout, plan: Plan, begin: datetime, end: datetime) -> bool:
    """Returns whether runs that have not begun may start at other times of [begin, end) than by the plan's policy."""
    if rollout.calendars is None and not rollout.override_freeze:
        return False
    goals = [run.goal for run in rollout.runs.values() if run.step in WAITING]
    places = {(goal.pool, goal.node.cluster, goal.site) for goal in goals}
    planned = Schedules(plan.policy)
    return any(
        _spans(planned.of(*place), begin, end) != _spans(rollout.schedules.of(*place), begin, end)
        for place in places
    )


def _spans(schedule: Schedule, begin: datetime, end: datetime) -> list[OpenSpan]:
    return [] if schedule.unread else schedule.open_spans(begin, end)


def _pace(taken: float, planned: float) -> float:
    low, high = PACE_RANGE
    return min(max(taken / planned, low), high) if planned > 0 else 1.0
