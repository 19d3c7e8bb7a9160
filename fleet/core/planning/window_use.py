"""Over how many windows a plan spreads."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from fleet.core.planning.plan import Plan
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.windows import merged


class UsedWindow(NamedTuple):
    """An open time in which runs of a plan start."""

    start: datetime
    end: datetime
    runs: int


def windows_used(plan: Plan) -> list[UsedWindow]:
    """Returns the open times in which runs of the plan start, sorted; those of several places that overlap are one. Empty
    if its nodes may start at any time."""
    schedules = Schedules(plan.policy)
    own = dict.fromkeys(schedules.of(run.pool, run.cluster, run.site) for run in plan.runs)
    if not any(schedule.levels for schedule in own):
        return []
    end = plan.start + timedelta(seconds=plan.makespan_seconds)
    spans = merged(span for schedule in own for span in schedule.open_spans(plan.start, end))
    used: Counter[tuple[datetime, datetime]] = Counter()
    for run in plan.runs:
        out = min((step.start for step in run.steps if step.step != "stage"), default=run.start)
        begun = plan.start + timedelta(seconds=out)
        used.update(span for span in spans if span[0] <= begun < span[1])
    return [UsedWindow(*span, used[span]) for span in spans if used[span]]
