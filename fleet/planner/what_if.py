"""Plans again with one constraint loosened at a time: the same planner, on changed snapshots and policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.lower_bound import bounds
from fleet.core.planning.plan import Plan
from fleet.core.planning.what_if import Bind, Loosened, WhatIf, WhatIfChange, best_first, candidates, loosened
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.records.reasons.reason import Reason
from fleet.planner.assembly import staged_of, views_of

ReplanWith = Callable[[Sequence[Snapshot], Policy], Plan]
"""Makes the plan of the same upgrade from other snapshots, by another policy."""
Trial = Callable[[], WhatIfChange]
SideBySide = Callable[[Sequence[Trial]], Sequence[WhatIfChange]]
"""Runs the trials at the same time and returns their changes, in the order of the trials."""
GAIN = 1.0
"""Seconds that a change must save to be shown."""


def what_if(
    plan: Plan,
    snapshots: Sequence[Snapshot],
    lost: Mapping[str, str],
    times: DurationEstimates,
    replan: ReplanWith,
    side_by_side: SideBySide,
) -> WhatIf:
    """Returns the changes that would make the plan shorter, best first. `snapshots`, `lost`, `times`: the inputs of the
    plan. At most `MOST` + 1 plans are made."""
    binds = candidates(_binds(plan, snapshots, lost, times), _binds_of_held(plan), _windows(plan))
    loose = [(bind, each) for bind in binds if (each := loosened(bind, snapshots, plan.policy)) is not None]
    changes = [*side_by_side([partial(_change, plan, each, replan) for _, each in loose])]
    useful = [bind for (bind, _), change in zip(loose, changes, strict=True) if _helps(plan, change)]
    if len(useful) > 1:
        together = _together(useful, snapshots, plan.policy)
        changes += side_by_side([partial(_change, plan, together, replan)])
    return WhatIf(len(changes), tuple(best_first(changes)))


def _binds(
    plan: Plan, snapshots: Sequence[Snapshot], lost: Mapping[str, str], times: DurationEstimates
) -> Iterator[tuple[float, Bind]]:
    going = {NodeRef(run.cluster, run.node) for run in plan.runs}
    goals = [goal for goal in plan.begin().goals if goal.node in going]
    staged = staged_of(snapshots, plan.target)
    for bound in bounds(goals, views_of(snapshots, lost), plan.policy, times, staged, plan.start):
        yield bound.seconds, bound.bind


def _binds_of_held(plan: Plan) -> Iterator[Bind]:
    for hold in plan.held:
        if hold.held is not None and hold.held.reason is Reason.BUDGET_NEVER:
            yield "budget", hold.cluster, hold.held.subject


def _windows(plan: Plan) -> bool:
    schedules = Schedules(plan.policy)
    goals = plan.begin().goals
    own = {schedules.of(goal.pool, goal.node.cluster, goal.site) for goal in goals}
    return any(each.levels or each.freezes.any_after(plan.start) for each in own)


def _change(plan: Plan, loose: Loosened, replan: ReplanWith) -> WhatIfChange:
    other = replan(loose.snapshots, loose.policy)
    return WhatIfChange(
        binds=loose.binds,
        change=loose.change,
        makespan_seconds=other.makespan_seconds,
        saved_seconds=plan.makespan_seconds - other.makespan_seconds,
        nodes=len(other.runs),
        bound_by=other.bound_by,
    )


def _helps(plan: Plan, change: WhatIfChange) -> bool:
    return change.nodes > len(plan.runs) or change.saved_seconds >= GAIN


def _together(binds: Sequence[Bind], snapshots: Sequence[Snapshot], policy: Policy) -> Loosened:
    combined = Loosened("", "all that helps, together", snapshots, policy)
    for bind in binds:
        if (loose := loosened(bind, combined.snapshots, combined.policy)) is not None:
            combined = combined._replace(snapshots=loose.snapshots, policy=loose.policy)
    return combined
