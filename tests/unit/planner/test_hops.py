"""Plans over barriers: every rollout that it takes, with all reboots and the time of all of them."""

from __future__ import annotations

from datetime import timedelta

from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Amount, Limits, Policy
from fleet.core.releases.release import Release, Stream
from fleet.lab.simulation.builders import START, a_machine, a_node, a_pool, a_snapshot
from fleet.planner.hops import hops_of, leg_request, legs_of
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

FIRST, KEYS, LATER, LOADER, LAST = (
    Release("1"),
    Release("2", barrier="new keys"),
    Release("3"),
    Release("4", barrier=""),
    Release("5"),
)
STREAM = Stream("stable", (FIRST, KEYS, LATER, LOADER, LAST))


def a_cluster(**booted: Release) -> Snapshot:
    nodes = [a_node(name, os_image=f"OS {release.version}") for name, release in booted.items()]
    machines = tuple(a_machine(node, booted[node.name]) for node in nodes)
    return replace(a_snapshot(nodes), machines=machines)


def a_request(cluster: Snapshot, release: Release = LAST) -> PlanRequest:
    policy = Policy(pools=(a_pool(limits=Limits(max_unavailable=Amount(1))),), streams=(STREAM,))
    return PlanRequest("", [cluster], policy, ["workers"], release, START, DurationEstimates())


def refs(*names: str) -> frozenset[NodeRef]:
    return frozenset(NodeRef("east", name) for name in names)


def test_nodes_boot_the_barriers_that_are_before_them_and_no_others() -> None:
    legs = legs_of(a_request(a_cluster(a=FIRST, b=FIRST, c=LATER, d=LOADER, e=LAST)))
    assert [(leg.release, leg.nodes) for leg in legs] == [
        (KEYS, refs("a", "b")),
        (LOADER, refs("a", "b", "c")),
        (LAST, None),
    ]


def test_plan_that_crosses_no_barrier_is_the_only_one() -> None:
    assert legs_of(a_request(a_cluster(d=LOADER, e=LAST))) == []
    assert legs_of(a_request(a_cluster(a=FIRST), KEYS)) == []
    # The way back has no barriers.
    assert legs_of(a_request(a_cluster(e=LAST), FIRST)) == []


def planned(request: PlanRequest) -> Plan:
    legs = legs_of(request)
    first = make_plan(leg_request(request, legs[0]))
    return replace(first, hops=hops_of(first, legs, request, make_plan))


def test_every_reboot_counts() -> None:
    plan = planned(a_request(a_cluster(a=FIRST, b=FIRST, c=LATER, d=LOADER, e=LAST)))
    assert isinstance(plan.hops, tuple)
    assert plan.target == KEYS and {run.node for run in plan.runs} == {"a", "b"}
    assert [(hop.release, hop.nodes, hop.held, hop.barrier) for hop in plan.hops] == [
        ("2", 2, 0, "new keys"),
        ("4", 3, 0, ""),
        ("5", 4, 0, None),
    ]
    assert plan.hops[0].end == plan.makespan_seconds
    for before, after in zip(plan.hops, plan.hops[1:], strict=False):
        assert after.start == before.end and after.end > after.start
    # Nine reboots, one node at a time, and the last image is written again and again.
    four = make_plan(a_request(a_cluster(a=LOADER, b=LOADER, c=LOADER, d=LOADER))).makespan_seconds
    assert plan.hops[-1].end > 9 / 4 * four


def test_time_of_the_path_is_that_of_the_rollouts_on_the_model() -> None:
    cluster = a_cluster(a=FIRST, b=FIRST, c=LATER)
    request = a_request(cluster)
    plan = planned(request)
    assert isinstance(plan.hops, tuple)
    took = 0.0
    for leg in legs_of(request):
        leg_plan = make_plan(leg_request(replace(request, snapshots=[cluster]), leg))
        story = SimulatedRollout([cluster], request.policy)
        story.start(leg.release, goals=leg_plan.begin().goals)
        story.run()
        took += leg_plan.makespan_seconds
        done = {name for name, step in story.steps().items() if step == "done"}
        assert done == {run.node for run in leg_plan.runs}
        cluster = replace(
            cluster,
            machines=tuple(
                replace(machine, booted=leg.release) if machine.name in done else machine
                for machine in cluster.machines
            ),
        )
    assert {machine.booted for machine in cluster.machines} == {LAST}
    assert abs(plan.hops[-1].end - took) <= timedelta(minutes=2).total_seconds()


def test_node_on_a_dead_end_is_held_in_the_last_rollout() -> None:
    stream = Stream("stable", (replace(FIRST, dead_end="wrong keys"), Release("1.1"), KEYS, LAST))
    request = a_request(a_cluster(a=stream.releases[0], b=stream.releases[1]))
    request = replace(request, policy=replace(request.policy, streams=(stream,)))
    plan = planned(request)
    assert isinstance(plan.hops, tuple)
    assert [(hop.release, hop.nodes, hop.held) for hop in plan.hops] == [("2", 1, 0), ("5", 1, 1)]


def test_plan_without_hops_has_no_key_for_them() -> None:
    assert make_plan(a_request(a_cluster(d=LOADER))).hops is UNSET
