"""Plans of random fleets: never faster than the lower bound, never over a limit, every pod's budget kept."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef, Resources
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.lower_bound import bound
from fleet.core.planning.plan import Plan
from fleet.core.policy.gate import AnyGate, CommandGate, OperatorGate, SoakGate
from fleet.core.policy.policy import Amount, Limits, Policy, Pool, StageRule
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.window import Window
from fleet.core.releases.release import Release, Stream
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.steps import HAS_SLOT
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from fleet.simulated.fleets import make_cluster
from fleet.simulated.shape import PoolShape, Shape

START = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = Release("1.0", "sha256:1", "6.1"), Release("2.0", "sha256:2", "6.2")

limits = st.builds(
    Limits,
    st.none() | st.builds(Amount, st.integers(1, 6)),
    per_zone=st.none() | st.builds(Amount, st.integers(1, 4)),
)
windows = st.builds(
    Window,
    st.just(tuple(range(7))),
    st.builds(time, st.integers(0, 23), st.sampled_from((0, 20, 40))),
    st.builds(time, st.integers(0, 23), st.sampled_from((10, 30))),
)
freezes = st.lists(
    st.builds(
        lambda begin, hours: Freeze(
            "stocktaking", START + timedelta(hours=begin), START + timedelta(hours=begin + hours)
        ),
        st.integers(-3, 8),
        st.integers(1, 30),
    ),
    max_size=2,
)
pools = st.builds(
    Pool,
    st.just("workers"),
    stream=st.just("stable"),
    limits=limits,
    stage=st.builds(StageRule, st.integers(1, 10)),
    soak_seconds=st.integers(0, 90),
    canaries=st.integers(0, 2),
    windows=st.just(()) | st.tuples(windows) | st.tuples(windows, windows),
)
fleets = st.builds(
    lambda nodes, zones, apps, sets, seed: make_cluster(
        "east",
        "fra",
        Shape(
            (PoolShape("workers", nodes, Resources(16000, 128 << 30, 110)),),
            zones,
            deployments=apps,
            sets=sets,
            jobs=1,
        ),
        [OLD],
        seed,
        START,
    ),
    st.integers(3, 20),
    st.sampled_from((("a",), ("a", "b", "c"))),
    st.integers(0, 12),
    st.integers(0, 3),
    st.integers(0, 1 << 16),
)
times = st.builds(
    DurationEstimates,
    stage=st.floats(1, 200),
    reboot=st.floats(5, 300),
    pod_stop=st.floats(0, 60),
    pod_start=st.floats(0.5, 120),
)


@settings(max_examples=60, deadline=None)
@given(fleets, pools, times, freezes)
def test_no_plan_is_faster_than_its_lower_bound(
    fleet: Snapshot, pool: Pool, lengths: DurationEstimates, freezes: list[Freeze]
) -> None:
    policy = Policy(pools=(pool,), streams=(Stream("stable", (OLD, NEW)),), freezes=tuple(freezes))
    plan = make_plan(PlanRequest("p", [fleet], policy, ["workers"], NEW, START, lengths))
    least = bound(_goals(plan), {"east": _view(fleet)}, policy, lengths, frozenset(), START)
    # Moments are whole microseconds.
    assert plan.makespan_seconds >= least.seconds - 1e-3, (least, plan.makespan_seconds)


gates = st.lists(
    st.builds(SoakGate, name=st.just("soak"), for_seconds=st.integers(1, 9000))
    | st.builds(
        CommandGate, name=st.just("command"), command=st.just(("check",)), for_seconds=st.integers(0, 9000)
    )
    | st.builds(OperatorGate, name=st.just("go")),
    max_size=2,
    unique_by=lambda gate: gate.name,
).map(tuple)
stages = st.lists(
    st.builds(
        RolloutStage,
        st.just("stage"),
        clusters=st.sampled_from(((), ("east",), ("west",), ("nowhere",))),
        sites_at_once=st.none() | st.integers(1, 2),
        gates=gates,
    ),
    max_size=3,
).map(lambda found: tuple(replace(stage, name=f"stage {number}") for number, stage in enumerate(found)))


@settings(max_examples=60, deadline=None)
@given(fleets, fleets, pools, times, stages, gates)
def test_no_plan_with_stages_and_gates_is_faster_than_its_lower_bound(
    east: Snapshot,
    other: Snapshot,
    pool: Pool,
    lengths: DurationEstimates,
    stages: tuple[RolloutStage, ...],
    gates: tuple[AnyGate, ...],
) -> None:
    west = replace(other, cluster="west", site="nyc")
    policy = Policy(
        pools=(replace(pool, gates=gates),), streams=(Stream("stable", (OLD, NEW)),), stages=stages
    )
    plan = make_plan(PlanRequest("p", [east, west], policy, ["workers"], NEW, START, lengths))
    views = {"east": _view(east), "west": _view(west)}
    least = bound(_goals(plan), views, policy, lengths, frozenset(), START)
    assert plan.makespan_seconds >= least.seconds - 1e-3, (least, plan.makespan_seconds)


@settings(max_examples=30, deadline=None)
@given(fleets, pools)
def test_no_plan_exceeds_a_limit(fleet: Snapshot, pool: Pool) -> None:
    policy = Policy(pools=(pool,), streams=(Stream("stable", (OLD, NEW)),))
    plan = make_plan(PlanRequest("p", [fleet], policy, ["workers"], NEW, START, DurationEstimates()))
    zones = {node.name: node.zone for node in fleet.nodes}
    if pool.limits.max_unavailable is not None:
        assert _most_out(plan, set(zones)) <= pool.limits.max_unavailable.number
    if pool.limits.per_zone is not None:
        for zone in set(zones.values()):
            here = {name for name in zones if zones[name] == zone}
            assert _most_out(plan, here) <= pool.limits.per_zone.number


def _most_out(plan: Plan, names: set[str]) -> int:
    """Ends come before beginnings of the same moment."""
    changes = []
    for run in plan.runs:
        slots = [step for step in run.steps if step.step in {str(each) for each in HAS_SLOT}]
        if run.node in names and slots:
            changes += [(slots[0].start, 1), (slots[-1].end, -1)]
    out = most = 0
    for _, change in sorted(changes):
        out += change
        most = max(most, out)
    return most


def _goals(plan: Plan) -> list[Goal]:
    done = {NodeRef(run.cluster, run.node) for run in plan.runs}
    return [goal for goal in plan.begin().goals if goal.node in done]


def _view(fleet: Snapshot) -> ClusterView:
    view = ClusterView(fleet.cluster)
    for thing in fleet.objects():
        view.upsert(thing)
    return view
