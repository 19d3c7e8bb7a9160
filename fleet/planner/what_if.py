"""Plans again with one constraint loosened at a time: the same planner, on changed snapshots and policies.

No plan is made where what it would show is known: the same, for a limit that was never full, and next to no gain, for a plan
that is as short as its lower bound after the change.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.planning.lower_bound import bound, bounds
from fleet.core.planning.plan import Plan, PlannedStep
from fleet.core.planning.what_if import (
    LEAST_GAIN,
    LIMITS,
    Bind,
    Loosened,
    WhatIf,
    WhatIfChange,
    best_first,
    candidates,
    loosened,
)
from fleet.core.policy.schedule import Schedules
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.steps import HAS_SLOT, Step
from fleet.planner.assembly import drained_of, staged_of, views_of
from fleet.planner.recorder import most_out
from fleet.planner.request import PlanRequest

ReplanWith = Callable[[PlanRequest], Plan]
"""Makes the plan of the same upgrade from other snapshots, by another policy."""
Trial = Callable[[], WhatIfChange]
SideBySide = Callable[[Sequence[Trial]], Sequence[WhatIfChange]]
"""Runs the trials at the same time and returns their changes, in the order of the trials."""
GAIN = 1.0
"""Seconds that a change must save to be shown as a gain."""


def what_if(plan: Plan, request: PlanRequest, replan: ReplanWith, side_by_side: SideBySide) -> WhatIf:
    """Returns the changes that would make the plan shorter, best first. `request`: what the plan was made from. At most
    `MOST` + 1 plans are made: none for a change that `without_plan` knows."""
    views = views_of(request.snapshots, request.lost)
    drained_of(plan.begin().goals, plan.policy, views)
    binds = candidates(_binds(plan, request, views), _binds_of_held(plan), _windows(plan))
    loose = [(bind, each) for bind in binds if (each := loosened(bind, request.snapshots, plan.policy))]
    known = {bind: without_plan(bind, each, plan, request, views) for bind, each in loose}
    open_ = [(bind, each) for bind, each in loose if known[bind] is None]
    planned = [*side_by_side([partial(_change, plan, each, request, replan) for _, each in open_])]
    useful = [bind for (bind, _), change in zip(open_, planned, strict=True) if _helps(plan, change)]
    if len(useful) > 1:
        together = _together(useful, request, plan)
        planned += side_by_side([partial(_change, plan, together, request, replan)])
    changes = [change for change in known.values() if change is not None] + planned
    return WhatIf(len(planned), tuple(best_first(changes)))


def without_plan(
    bind: Bind, loose: Loosened, plan: Plan, request: PlanRequest, views: Mapping[str, ClusterView]
) -> WhatIfChange | None:
    """Returns what the change would bring; None if only a plan can tell, as where it may let held nodes go.

    `bind`: what `loose` loosens. `views`: the clusters at the start, with the drain rules of their nodes.
    """
    same = _never_full(bind, plan, request)
    gap = plan.makespan_seconds - plan.lower_bound_seconds
    if plan.held or not (same or gap <= LEAST_GAIN * plan.makespan_seconds):
        return None
    goals = plan.begin().goals
    if loose.snapshots is not request.snapshots:
        views = views_of(loose.snapshots, request.lost)
        drained_of(goals, loose.policy, views)
    staged = staged_of(loose.snapshots, plan.target)
    least = bound(goals, views, loose.policy, request.times, staged, plan.start)
    bound_by = least.describe(
        most_out(run for run in plan.runs if NodeRef(run.cluster, run.node) in least.inside)
    )
    makespan, nodes = plan.makespan_seconds, len(plan.runs)
    if same:
        return WhatIfChange(loose.binds, loose.change, makespan, 0.0, nodes, bound_by)
    shortest = min(least.seconds, makespan)
    if makespan - shortest > LEAST_GAIN * makespan:
        return None
    saved = makespan - shortest
    return WhatIfChange(loose.binds, loose.change, shortest, saved, nodes, bound_by, at_most=True)


def _binds(
    plan: Plan, request: PlanRequest, views: Mapping[str, ClusterView]
) -> Iterator[tuple[float, Bind]]:
    going = {NodeRef(run.cluster, run.node) for run in plan.runs}
    goals = [goal for goal in plan.begin().goals if goal.node in going]
    staged = staged_of(request.snapshots, plan.target)
    for each in bounds(goals, views, plan.policy, request.times, staged, plan.start):
        yield each.seconds, each.bind


def _binds_of_held(plan: Plan) -> Iterator[Bind]:
    for hold in plan.held:
        if hold.held is not None and hold.held.reason is Reason.BUDGET_NEVER:
            yield "budget", hold.cluster, hold.held.subject


def _windows(plan: Plan) -> bool:
    schedules = Schedules(plan.policy)
    goals = plan.begin().goals
    own = {schedules.of(goal.pool, goal.node.cluster, goal.site) for goal in goals}
    return any(each.levels or each.freezes.any_after(plan.start) for each in own)


def _change(plan: Plan, loose: Loosened, request: PlanRequest, replan: ReplanWith) -> WhatIfChange:
    other = replan(replace(request, snapshots=loose.snapshots, policy=loose.policy))
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


def _together(binds: Sequence[Bind], request: PlanRequest, plan: Plan) -> Loosened:
    combined = Loosened("", "all that helps, together", request.snapshots, plan.policy)
    for bind in binds:
        if (loose := loosened(bind, combined.snapshots, combined.policy)) is not None:
            combined = combined._replace(snapshots=loose.snapshots, policy=loose.policy)
    return combined


def _never_full(bind: Bind, plan: Plan, request: PlanRequest) -> bool:
    """Returns whether the limit never held a node while the plan was made: with a wider one, the same plan is made."""
    match bind:
        case ("stage", name):
            pool = plan.policy.pool(name)
            steps = (
                [step for step in run.steps if step.step == Step.STAGE]
                for run in plan.runs
                if run.pool == name
            )
            return pool is not None and _most(steps) < pool.stage.concurrency
        case ("limit", reason, name):
            of_pool = plan.policy.pool(name)
            limits = of_pool.limits if of_pool is not None else plan.policy.limits
            amount = getattr(limits, LIMITS[Reason(reason)])
            steps = ([step for step in run.steps if step.step in HAS_SLOT] for run in plan.runs)
            # Nodes of other pools and places are counted too. A percentage is not worked out for each place.
            return not amount.percent and _most(steps) + _out_anyway(request) < amount.number
        case _:
            return False


def _most(works: Iterable[list[PlannedStep]]) -> int:
    """Returns how many of these are under way at the same time, at most. Each lasts from its first step to its last one.
    Both of two count at the moment at which one ends and the other begins."""
    spans = [(steps[0].start, steps[-1].end) for steps in works if steps]
    begins, ends = sorted(begin for begin, _ in spans), sorted(end for _, end in spans)
    return max((place + 1 - bisect_left(ends, begin) for place, begin in enumerate(begins)), default=0)


def _out_anyway(request: PlanRequest) -> int:
    """Returns how many nodes may be out besides those that the plan takes out."""
    unavailable = sum(not node.available for snapshot in request.snapshots for node in snapshot.nodes)
    lost = sum(len(snapshot.nodes) for snapshot in request.snapshots if snapshot.cluster in request.lost)
    return unavailable + lost + sum(len(rollout.runs) for rollout in request.kept)
