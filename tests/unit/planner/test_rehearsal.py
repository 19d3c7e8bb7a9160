"""How certain a plan is: its spread over redrawn measurements, and what it reports without measurements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from random import Random
from statistics import median

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.planning.estimates import (
    ENOUGH,
    ENOUGH_TO_SPREAD,
    PARTS,
    POD_PARTS,
    QUICK,
    SLOW,
    DurationEstimates,
    Estimate,
)
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Amount, Limits, Policy, StageRule
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.window import Window
from fleet.core.rollout.event import ClusterSynced, Upserted
from fleet.core.rollout.rollout import Rollout
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_machine,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.model.behaviour import ClusterBehaviour, Length
from fleet.model.model import Model
from fleet.planner.expectations import groups_of
from fleet.planner.planner import make_plan
from fleet.planner.recorder import PlanRecorder
from fleet.planner.rehearsal import Lengths, rehearsal, rehearse
from fleet.planner.request import PlanRequest
from fleet.planner.simulate import simulate

HOUR = 3600.0
EVENING = Window(tuple(range(7)), time(20), time(21))
"""START is at nine in the morning."""
USUAL = {"stage": 60.0, "reboot": 90.0, "pod_stop": 5.0, "pod_start": 10.0}
EVEN = (1.0,) * ENOUGH_TO_SPREAD
UNEVEN = (0.7,) * 5 + (1.0,) * 10 + (1.5,) * 4 + (3.0,)
"""One reboot in twenty takes three times as long."""


def measured(samples: int = ENOUGH_TO_SPREAD, **spreads: tuple[float, ...]) -> DurationEstimates:
    """Everything was measured so often, and takes as long as usual. `spreads`: of parts, by what is usual."""
    group = {part: ("", "") if part in POD_PARTS else ("", "simulated") for part in PARTS}
    known = {part: {group[part]: Estimate(part, USUAL[part], USUAL[part], samples)} for part in PARTS}
    ratios = {part: {group[part]: spreads.get(part, EVEN)} for part in PARTS}
    return DurationEstimates(measured=known, spreads=ratios if samples >= ENOUGH_TO_SPREAD else {})


def a_fleet(count: int, replicas: int = 0) -> Snapshot:
    """`replicas`: of an app with a budget that lets one of its pods be away."""
    nodes = [a_node(f"n-{number:02d}", zone="ab"[number % 2]) for number in range(count)]
    if not replicas:
        return a_snapshot(nodes)
    budgets = [a_budget("shop", replicas, 1)]
    return a_snapshot(nodes, a_deployment("shop", replicas, nodes), budgets)


def a_rule(places: int = 2, **changes: object) -> Policy:
    pool = a_pool(limits=Limits(Amount(places)), stage=StageRule(concurrency=5))
    return a_policy(replace(pool, **changes))


def the_plan(snapshot: Snapshot, policy: Policy, times: DurationEstimates) -> Plan:
    return make_plan(PlanRequest("", [snapshot], policy, ["workers"], NEW, START, times))


def rehearsed(plan: Plan, snapshot: Snapshot) -> float:
    """Seconds, with everything as planned."""
    as_planned = Lengths(*((1.0,) for _ in PARTS))
    groups = {snapshot.cluster: groups_of(snapshot, plan.policy)}
    needed = timedelta(seconds=plan.run_seconds)
    found = rehearsal(plan.runs, plan.policy, plan.start, needed, groups, lambda group: as_planned)
    return rehearse(found, Random(1))


def executed(plan: Plan, snapshot: Snapshot, behaviour: ClusterBehaviour, seed: int = 0) -> float:
    """Seconds that the engine takes for the plan in such a cluster."""
    engine = Engine({snapshot.cluster: snapshot.site})
    for thing in snapshot.objects():
        engine.observe(Upserted(snapshot.cluster, thing), START)
    engine.observe(ClusterSynced(snapshot.cluster, snapshot.server_version), START)
    rollout = Rollout("r-1", plan.begin(), START, "somebody")
    engine.add(rollout)
    model = Model.from_snapshot(snapshot, behaviour, Random(seed))
    simulate(engine, {snapshot.cluster: model}, PlanRecorder(), START)
    assert rollout.ended_at is not None
    return (rollout.ended_at - START).total_seconds()


@pytest.mark.parametrize(
    ("snapshot", "policy"),
    [
        (a_fleet(1), a_rule(1)),
        (a_fleet(13), a_rule(3, canaries=2)),
        (a_fleet(12, 24), a_rule(4, canaries=1)),
        (a_fleet(50), a_rule(2, windows=(EVENING,))),
        (a_fleet(9), replace(a_rule(1), freezes=(Freeze("x", START, START + timedelta(hours=5)),))),
    ],
)
def test_rehearsal_with_the_planned_durations_ends_when_the_plan_does(
    snapshot: Snapshot, policy: Policy
) -> None:
    plan = the_plan(snapshot, policy, DurationEstimates())
    assert rehearsed(plan, snapshot) == pytest.approx(plan.makespan_seconds, abs=0.01)
    assert the_plan(snapshot, policy, measured()).p95_seconds == pytest.approx(
        the_plan(snapshot, policy, measured()).makespan_seconds, abs=0.01
    ), "where nothing was ever slower, no run is"


def test_slow_reboots_do_not_lengthen_the_wait_for_a_window() -> None:
    plan = the_plan(a_fleet(3), a_rule(windows=(EVENING,)), measured(reboot=UNEVEN))
    assert plan.p95_seconds is not None
    assert 11 * HOUR < plan.makespan_seconds < plan.p95_seconds
    assert plan.p95_seconds - plan.makespan_seconds < 2 * 2 * 90 + 1, (
        "two rounds, twice 90 s more each at most"
    )


def test_run_too_slow_for_its_window_goes_into_the_next() -> None:
    snapshot = a_fleet(52)
    plan = the_plan(snapshot, a_rule(windows=(EVENING,)), measured(reboot=UNEVEN))
    assert plan.makespan_seconds < 12 * HOUR, "all fit into the first window"
    assert plan.p95_seconds is not None
    assert plan.p95_seconds > 35 * HOUR, "and one time in twenty they do not"


def test_p95_is_what_the_engine_reaches_with_such_durations() -> None:
    snapshot = a_fleet(20, 20)
    plan = the_plan(snapshot, a_rule(3, canaries=1), measured(reboot=UNEVEN, stage=UNEVEN))

    def drawn(usual: float) -> Length:
        return lambda rng, _: usual * rng.choice(UNEVEN)

    behaviour = ClusterBehaviour(pod_start=10.0, pod_stop=5.0, stage=drawn(60.0), reboot=drawn(90.0))
    ends = [executed(plan, snapshot, behaviour, seed) for seed in range(20)]
    assert plan.p95_seconds is not None
    assert median(ends) < plan.p95_seconds < 1.2 * max(ends)
    assert sum(end <= plan.p95_seconds for end in ends) >= 17, "19 of 20, by chance a few less"


def test_few_runs_give_no_p95() -> None:
    plan = the_plan(a_fleet(4), a_rule(), measured(ENOUGH_TO_SPREAD - 1))
    assert plan.p95_seconds is None
    assert plan.assumed is None, "it is known what is usual"
    assert ENOUGH < ENOUGH_TO_SPREAD


@pytest.mark.parametrize("lengths", [QUICK, SLOW])
def test_plan_without_measurements_shows_how_far_off_it_may_be(
    lengths: Mapping[str, float],
) -> None:
    snapshot = a_fleet(20, 20)
    plan = the_plan(snapshot, a_rule(3, soak_seconds=5), DurationEstimates())
    assert plan.p95_seconds is None
    assumed = plan.assumed
    assert assumed is not None and assumed.slow_seconds is not None
    assert assumed.quick_seconds < plan.makespan_seconds / 3 < plan.makespan_seconds < assumed.slow_seconds
    assert set(assumed.parts) == set(PARTS)
    stage, reboot, pod_stop, pod_start = (lengths[part] for part in PARTS)
    took = executed(
        plan, snapshot, ClusterBehaviour(stage=stage, reboot=reboot, pod_stop=pod_stop, pod_start=pod_start)
    )
    assert assumed.quick_seconds * 0.85 < took < assumed.slow_seconds * 1.1


def test_expected_duration_of_zero_is_no_error() -> None:
    plan = the_plan(a_fleet(3, 6), a_rule(), DurationEstimates(pod_stop=0.0))
    assert plan.assumed is not None and plan.assumed.quick_seconds < plan.makespan_seconds


def test_only_unmeasured_durations_are_assumed() -> None:
    times = measured(reboot=UNEVEN)
    times = replace(times, measured={"reboot": times.measured["reboot"]})
    assert set((the_plan(a_fleet(4), a_rule(), times).assumed or pytest.fail()).parts) == {"stage"}
    snapshot = a_fleet(4)
    staged = [replace(a_machine(node), staged=NEW) for node in snapshot.nodes]
    plan = the_plan(replace(snapshot, machines=tuple(staged)), a_rule(), times)
    assert plan.assumed is None and plan.p95_seconds is not None, "no image is written, and no pod moves"
