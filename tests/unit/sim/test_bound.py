"""What binds a plan: windows that are closed, and what fits through them; and who starts first where nothing else tells."""

from __future__ import annotations

from datetime import time, timedelta

from msgspec.structs import replace

from fleet.core.plan import Plan
from fleet.core.policy import Amount, Freeze, Limits, Policy, StageRule, Window
from fleet.core.snapshot import Snapshot
from fleet.core.times import Times
from fleet.histories.builders import NEW, START, a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.sim.planner import make_plan

HOUR = 3600.0
DAILY = Window(tuple(range(7)), time(20), time(20, 30))
"""START is at nine in the morning."""


def plan(snapshot: Snapshot, policy: Policy) -> Plan:
    return make_plan("", [snapshot], policy, ["workers"], NEW, START, Times())


def nodes(count: int) -> Snapshot:
    return a_snapshot([a_node(f"n-{number:02d}") for number in range(count)])


def windowed(places: int) -> Policy:
    pool = a_pool(windows=(DAILY,), limits=Limits(Amount(places)), stage=StageRule(concurrency=99))
    return a_policy(pool)


def test_nothing_is_faster_than_the_wait_for_the_window() -> None:
    made = plan(nodes(3), windowed(9))
    assert made.bound_by == "the windows of pool workers"
    assert 11 * HOUR < made.lower_bound_seconds <= made.makespan_seconds < 12 * HOUR
    assert made.makespan_seconds - made.lower_bound_seconds < 60


def test_what_does_not_fit_into_one_window_waits_for_the_next() -> None:
    made = plan(nodes(60), windowed(2))
    assert made.bound_by.startswith("the windows of pool workers and the limit for pool")
    assert made.lower_bound_seconds > 24 * HOUR
    assert made.lower_bound_seconds <= made.makespan_seconds


def test_a_freeze_is_as_a_closed_window() -> None:
    policy = a_policy(a_pool(limits=Limits(Amount(9)), stage=StageRule(concurrency=99)))
    frozen = replace(policy, freezes=(Freeze("stocktaking", START, START + timedelta(hours=5)),))
    made = plan(nodes(3), frozen)
    assert made.lower_bound_seconds > 5 * HOUR and made.bound_by == "the windows of pool workers"


def test_where_nothing_else_tells_the_longest_drain_starts_first() -> None:
    """Two places; the last node by name has a pod that takes its time to end."""
    every = [a_node(f"n-{number}") for number in range(5)]
    workload, [slow] = a_deployment("slow", 1, every[4:])
    patient = replace(slow, grace_seconds=600)
    snapshot = a_snapshot(every, (workload, [patient]))
    policy = a_policy(a_pool(limits=Limits(Amount(2)), stage=StageRule(concurrency=99)))
    times = replace(Times(), pod_stop=600.0)
    made = make_plan("", [snapshot], policy, ["workers"], NEW, START, times)
    begins = {run.node: next(s.start for s in run.steps if s.step == "cordon") for run in made.runs}
    assert begins["n-4"] == min(begins.values())
