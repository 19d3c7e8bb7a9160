"""What binds a plan: closed windows, and what fits through them; and which run starts first where nothing else
decides."""

from __future__ import annotations

from datetime import time, timedelta

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.hooks.hook import CommandHook, Hooks
from fleet.core.policy.policy import Amount, Limits, Policy, StageRule
from fleet.core.policy.times.freeze import Freeze
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
from fleet.planner.planner import make_plan
from fleet.planner.recorder import most_out
from fleet.planner.request import PlanRequest

HOUR = 3600.0
DAILY = Window(tuple(range(7)), time(20), time(20, 30))
"""START is at nine in the morning."""


def plan(snapshot: Snapshot, policy: Policy) -> Plan:
    return make_plan(PlanRequest("", [snapshot], policy, ["workers"], NEW, START, DurationEstimates()))


def nodes(count: int) -> Snapshot:
    return a_snapshot([a_node(f"n-{number:02d}") for number in range(count)])


def windowed(places: int) -> Policy:
    pool = a_pool(windows=(DAILY,), limits=Limits(Amount(places)), stage=StageRule(concurrency=99))
    return a_policy(pool)


def test_bound_includes_the_wait_for_the_window() -> None:
    made = plan(nodes(3), windowed(9))
    assert made.bound_by == "the windows of pool workers"
    assert 11 * HOUR < made.lower_bound_seconds <= made.makespan_seconds < 12 * HOUR
    assert made.makespan_seconds - made.lower_bound_seconds < 60


def test_runs_that_do_not_fit_into_one_window_wait_for_the_next() -> None:
    made = plan(nodes(60), windowed(2))
    assert made.bound_by.startswith("the windows of pool workers and the limit for pool")
    assert made.lower_bound_seconds > 24 * HOUR
    assert made.lower_bound_seconds <= made.makespan_seconds


def test_freeze_counts_like_a_closed_window() -> None:
    policy = a_policy(a_pool(limits=Limits(Amount(9)), stage=StageRule(concurrency=99)))
    frozen = replace(policy, freezes=(Freeze("stocktaking", START, START + timedelta(hours=5)),))
    made = plan(nodes(3), frozen)
    assert made.lower_bound_seconds > 5 * HOUR and made.bound_by == "the windows of pool workers"


def test_limit_that_is_never_full_is_not_what_binds() -> None:
    """Each two of eight nodes share a budget that lets one of its two pods go: by its arithmetic the limit of four binds,
    and budgets keep the fourth place empty, since nodes with hooks before them stand in no line."""
    every = [a_node(f"n-{number}") for number in range(8)]
    pairs = [(one, other) for one in every for other in every if one.name < other.name]
    workloads, pods = [], []
    for number, pair in enumerate(pairs):
        own, two = a_deployment(f"pair-{number}", 2, list(pair))
        workloads += own
        pods += two
    budgets = [a_budget(f"pair-{number}", 2, 1) for number in range(len(pairs))]
    pool = a_pool(limits=Limits(Amount(4)), stage=StageRule(concurrency=99), soak_seconds=0)
    hooked = replace(
        pool, hooks=Hooks(before=(CommandHook(name="detach", command=("detach",), timeout_seconds=1),))
    )
    times = replace(DurationEstimates(), pod_start=40.0)
    shared = a_snapshot(every, (workloads, pods), budgets)
    made = make_plan(PlanRequest("", [shared], a_policy(hooked), ["workers"], NEW, START, times))
    limit = "limit of 4 for pool workers"
    assert made.bound_by.startswith(limit) and made.bound_by != limit
    assert f"no more than {made.peak_unavailable} of its 4 places" in made.bound_by
    free = plan(nodes(8), a_policy(pool))
    assert (free.bound_by, free.peak_unavailable) == (limit, 4)


def test_peak_of_unavailable_nodes_is_counted_from_the_plan() -> None:
    made = plan(nodes(9), a_policy(a_pool(limits=Limits(Amount(3)), stage=StageRule(concurrency=99))))
    assert most_out(made.runs) == made.peak_unavailable == 3
    assert most_out(made.runs[:2]) == 2 and most_out(()) == 0


def test_otherwise_the_longest_drain_starts_first() -> None:
    """Two places; the last node by name has a pod that takes its time to end."""
    every = [a_node(f"n-{number}") for number in range(5)]
    workload, [slow] = a_deployment("slow", 1, every[4:])
    patient = replace(slow, grace_seconds=600)
    snapshot = a_snapshot(every, (workload, [patient]))
    policy = a_policy(a_pool(limits=Limits(Amount(2)), stage=StageRule(concurrency=99)))
    times = replace(DurationEstimates(), pod_stop=600.0)
    made = make_plan(PlanRequest("", [snapshot], policy, ["workers"], NEW, START, times))
    begins = {run.node: next(s.start for s in run.steps if s.step == "cordon") for run in made.runs}
    assert begins["n-4"] == min(begins.values())
