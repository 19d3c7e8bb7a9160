"""A search for a better order: it never makes a plan worse, ends on request, and its result is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Effort, Plan, PlannedHold
from fleet.core.policy.policy import Amount, Limits, StageRule
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.planner.order_search import search_order
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

SLOW = replace(DurationEstimates(), pod_start=120.0)
POLICY = a_policy(a_pool(limits=Limits(Amount(3)), stage=StageRule(concurrency=30)))


def snapshot() -> Snapshot:
    """Twelve nodes. Five, the last by name, have a pod each that is slow to be Ready, and of which one may be away."""
    nodes = [a_node(f"n-{number:02d}") for number in range(12)]
    return a_snapshot(nodes, a_deployment("db", 5, nodes[7:]), [a_budget("db", 5, 1)])


def planner(tried: list[Mapping[NodeRef, float]]) -> Callable[[Mapping[NodeRef, float]], Plan]:
    def again(urgency: Mapping[NodeRef, float]) -> Plan:
        tried.append(dict(urgency))
        return make_plan(
            PlanRequest("", [snapshot()], POLICY, ["workers"], NEW, START, SLOW, urgency=urgency)
        )

    return again


def rounds(most: int) -> Callable[[Plan], bool]:
    left = iter(range(most))
    return lambda best: next(left, None) is not None


def test_causes_of_a_bad_order_are_tried_first_in_the_next() -> None:
    tried: list[Mapping[NodeRef, float]] = []
    again = planner(tried)
    # A first order as bad as can be: what has the scarce budget comes last.
    worst = again({NodeRef("east", f"n-{number:02d}"): 1000.0 for number in range(7)})
    best = search_order(worst, again, rounds(6))
    assert best.effort is not None and best.effort.orders == len(tried) - 1
    assert best.effort.saved_seconds == pytest.approx(worst.makespan_seconds - best.makespan_seconds)
    assert best.effort.saved_seconds > 10
    last = max(worst.runs, key=lambda run: run.end)
    assert max(tried[1], key=lambda ref: tried[1][ref]).name == last.node


def test_order_that_was_found_goes_with_the_rollout() -> None:
    urgency = {NodeRef("east", "n-03"): 7.5}
    plan = planner([])(urgency)
    found = {goal.node: goal.urgency for goal in plan.begin().goals if goal.urgency}
    assert found == urgency


@pytest.mark.parametrize("most", [0, 1, 4])
def test_search_never_ends_worse_than_it_began_and_stops_when_told(most: int) -> None:
    tried: list[Mapping[NodeRef, float]] = []
    again = planner(tried)
    first = again({})
    best = search_order(first, again, rounds(most))
    assert best.makespan_seconds <= first.makespan_seconds
    assert best.effort is not None and best.effort.orders == len(tried) - 1 <= most


def test_more_held_nodes_are_no_gain() -> None:
    """Though the makespan of what is left is shorter."""
    first = planner([])({})
    fewer = replace(
        first,
        makespan_seconds=1.0,
        runs=first.runs[1:],
        held=(PlannedHold(first.runs[0].node, "TURN", "it waits for its turn"),),
    )
    best = search_order(first, lambda urgency: fewer, rounds(1))
    assert best.makespan_seconds == first.makespan_seconds and best.effort == Effort(1, 0.0)
