"""What a plan would gain if what binds it were loosened: found by planning again, a bounded number of times."""

from __future__ import annotations

from datetime import time
from functools import partial
from typing import Any

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.planning.what_if import BUDGETS, LEAST_GAIN, MOST, WhatIf
from fleet.core.policy.policy import Amount, Limits, Policy, StageRule
from fleet.core.policy.times.window import Window
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
from fleet.planner.parallel import side_by_side
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from fleet.planner.what_if import what_if

SLOW = replace(DurationEstimates(), apps={"web/db": 300.0})


def policy(**changes: Any) -> Policy:
    return a_policy(a_pool(**changes))


def asked(snapshot: Snapshot, policy: Policy, times: DurationEstimates = SLOW) -> tuple[Plan, WhatIf]:
    request = PlanRequest("", [snapshot], policy, ["workers"], NEW, START, times)
    plan = make_plan(request)
    return plan, what_if(plan, request, make_plan, partial(side_by_side, most=2))


def budgeted(count: int, allowed: int) -> Snapshot:
    """A pod of `web/db` on every node; it takes five minutes to be Ready."""
    nodes = [a_node(f"n-{number:02d}") for number in range(count)]
    app, pods = a_deployment("db", count, nodes)
    pods = [replace(pod, owner=replace(pod.owner, name="db")) for pod in pods if pod.owner]
    app = [replace(each, name="db") for each in app]
    return a_snapshot(nodes, (app, pods), [a_budget("db", count, allowed)])


def test_binding_budget_is_named_with_the_gain_of_one_more() -> None:
    wide = policy(limits=Limits(Amount(12)), stage=StageRule(concurrency=12))
    plan, found = asked(budgeted(12, 1), wide)
    assert plan.bound_by == "budget web/db"
    alone = next(each for each in found.changes if each.binds == "budget web/db")
    assert alone.change == "raise maxUnavailable to 2"
    assert alone.saved_seconds > 0.3 * plan.makespan_seconds
    truth, _ = asked(budgeted(12, 2), wide)
    assert alone.makespan_seconds == truth.makespan_seconds, "as if the budget were another"
    assert found.changes[0].saved_seconds == max(each.saved_seconds for each in found.changes)


def test_minimum_is_lowered_and_a_percentage_becomes_a_number() -> None:
    snapshot = budgeted(12, 1)
    least = replace(snapshot.budgets[0], max_unavailable=None, min_available="90%")
    _, found = asked(replace(snapshot, budgets=(least,)), policy(limits=Limits(Amount(12))))
    assert "lower minAvailable to 10" in {each.change for each in found.changes}


def test_binding_limit_is_doubled() -> None:
    nodes = [a_node(f"n-{number:02d}") for number in range(16)]
    plan, found = asked(a_snapshot(nodes), policy(limits=Limits(Amount(2))))
    assert plan.bound_by.endswith("limit of 2 for pool workers")
    best = next(each for each in found.changes if each.binds == "max_unavailable 2 of pool workers")
    assert best.change == "raise max_unavailable to 4"
    assert best.saved_seconds > 0.3 * plan.makespan_seconds
    assert found.plans == 1, "staging needs a fraction of that time: it is not worth a plan"


def test_binding_stage_concurrency_is_doubled() -> None:
    nodes = [a_node(f"n-{number:02d}") for number in range(16)]
    slow = policy(limits=Limits(Amount(16)), stage=StageRule(concurrency=2))
    _, found = asked(a_snapshot(nodes), slow, DurationEstimates(stage=300))
    best = found.changes[0]
    assert (best.binds, best.change) == (
        "stage.concurrency 2 of pool workers",
        "raise stage.concurrency to 4",
    )
    assert best.saved_seconds > 0


def test_budget_that_allows_nothing_is_raised_so_that_nodes_can_go() -> None:
    snapshot = budgeted(4, 1)
    never = replace(
        snapshot.budgets[0], max_unavailable=0, disruptions_allowed=0, desired_healthy=4, current_healthy=4
    )
    plan, found = asked(replace(snapshot, budgets=(never,)), policy())
    assert not plan.runs and len(plan.held) == 4
    best = found.changes[0]
    assert (best.binds, best.change, best.nodes) == ("budget web/db", "raise maxUnavailable to 1", 4)


def test_windows_may_be_what_binds() -> None:
    nodes = [a_node(f"n-{number:02d}") for number in range(3)]
    window = Window((0, 1, 2, 3, 4, 5, 6), time(3), time(5))
    plan, found = asked(a_snapshot(nodes), policy(windows=(window,)))
    change = next(each for each in found.changes if each.binds == "windows and freezes")
    assert change.saved_seconds > 0 and plan.makespan_seconds > change.makespan_seconds


def test_combined_change_is_one_more_plan_and_plans_are_few() -> None:
    nodes = [a_node(f"n-{number:02d}") for number in range(12)]
    apps = [a_deployment(f"app-{number}", 12, nodes) for number in range(10)]
    budgets = [a_budget(f"app-{number}", 12, 1) for number in range(10)]
    everything = ([one for app, _ in apps for one in app], [one for _, pods in apps for one in pods])
    plan, found = asked(a_snapshot(nodes, everything, budgets), policy(), DurationEstimates(pod_start=60))
    assert BUDGETS < found.plans <= MOST + 1
    assert sum(each.binds.startswith("budget") for each in found.changes) == BUDGETS
    together = [each for each in found.changes if not each.binds]
    assert all(each.makespan_seconds <= plan.makespan_seconds for each in together)


def test_nothing_is_planned_if_nothing_can_be_changed() -> None:
    done = a_snapshot([])
    plan, found = asked(done, policy())
    assert not plan.runs
    assert found == WhatIf(0)


def test_limit_that_was_never_full_takes_no_plan() -> None:
    wide = policy(limits=Limits(Amount(13)), stage=StageRule(concurrency=13))
    plan, found = asked(budgeted(12, 6), wide, DurationEstimates(stage=300, reboot=300))
    free = {each.binds: each for each in found.changes if "budget" not in each.binds and each.binds}
    assert set(free) == {"max_unavailable 13 of pool workers", "stage.concurrency 13 of pool workers"}
    assert {each.makespan_seconds for each in free.values()} == {plan.makespan_seconds}
    assert {each.saved_seconds for each in free.values()} == {0.0}
    assert found.plans == sum(each.binds not in free for each in found.changes)


def test_change_that_cannot_help_a_plan_as_short_as_its_bound_takes_no_plan() -> None:
    """One image takes as long as all runs: the limit binds at 1.00 of the bound, and staging binds next."""
    nodes = [a_node(f"n-{number:02d}") for number in range(40)]
    snapshot, narrow = a_snapshot(nodes), policy(limits=Limits(Amount(1)), stage=StageRule(concurrency=1))
    plan, found = asked(snapshot, narrow, DurationEstimates(stage=60, reboot=90))
    stage = next(each for each in found.changes if each.binds.startswith("stage"))
    assert stage.at_most is True and 0 <= stage.saved_seconds <= LEAST_GAIN * plan.makespan_seconds
    assert found.plans == 1, "the limit's"
    truth, _ = asked(snapshot, replace(narrow, pools=(replace(narrow.pools[0], stage=StageRule(2)),)))
    assert plan.makespan_seconds - truth.makespan_seconds <= stage.saved_seconds


def test_change_that_may_let_held_nodes_go_takes_a_plan() -> None:
    nodes = [a_node(f"n-{number:02d}") for number in range(4)]
    cordoned = [replace(nodes[0], unschedulable=True), *nodes[1:]]
    plan, found = asked(a_snapshot(cordoned), policy(limits=Limits(Amount(9)), stage=StageRule(9)))
    assert plan.held and found.plans == len(found.changes)
