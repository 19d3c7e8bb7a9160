"""Where drained pods can land: what kube-scheduler filters by, one kind of obstacle a test."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.capacity.trial_placement import Shortfall
from fleet.core.guards.pods import capacity
from fleet.core.linting.lint import lint
from fleet.core.objects.node import Node, Resources, Taint, Toleration
from fleet.core.objects.placement import HOSTNAME_LABEL, AffinityRule, HostPort, NodeTerm, SpreadRule
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.records.doubt import Doubt, DoubtKind
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

ZONE = "topology.kubernetes.io/zone"
GPU = "nvidia.com/gpu"
SIZE = Resources(4000, 8 << 30, 10, 50 << 30, ((GPU, 2),))
IS_WEB = (Requirement("app", "In", ("web",)),)
TWO_GPUS = Resources(100, 0, 1, 0, ((GPU, 2),))


def a_pod(name: str, node: str = "n-0", **changes: Any) -> Pod:
    app = name.partition("-")[0]
    facts: dict[str, Any] = {
        "labels": {"app": app},
        "owner": Owner("ReplicaSet", app),
        "requests": Resources(100, 0, 1),
    }
    return Pod("shop", name, name, node, **(facts | changes))


def nodes(zones: str = "aaa", **changes: Any) -> list[Node]:
    return [
        a_node(f"n-{index}", zone, **({"allocatable": SIZE} | changes)) for index, zone in enumerate(zones)
    ]


def a_room(pods: list[Pod], found: list[Node] | None = None) -> ClusterCapacity:
    room = ClusterCapacity()
    for node in found or nodes():
        room.upsert_node(node)
    for pod in pods:
        room.upsert_pod(None, pod)
    return room


def lack(*pods: Pod, found: list[Node] | None = None) -> Shortfall | None:
    """Of those on n-0 when it is drained."""
    return a_room(list(pods), found).shortfall("n-0", [pod for pod in pods if pod.node == "n-0"])


def held(*pods: Pod) -> Held:
    reported = capacity.held("n-0", [(pod, ()) for pod in pods if pod.node == "n-0"], a_room(list(pods)))
    assert reported is not None and reported.reason is Reason.CAPACITY
    return reported


def a_plan(*pods: Pod, **changes: Any) -> Plan:
    snapshot = replace(a_snapshot(nodes(), ([], list(pods))), **changes)
    return make_plan(
        PlanRequest("p", [snapshot], a_policy(a_pool()), ["workers"], NEW, START, DurationEstimates())
    )


@pytest.mark.parametrize(
    ("asked", "other", "reported"),
    [
        (TWO_GPUS, Resources(0, 0, 1, 0, ((GPU, 1),)), (GPU, 2, 1)),
        (
            Resources(0, 0, 1, 30 << 30),
            Resources(0, 0, 1, 30 << 30),
            ("ephemeral-storage", 30 << 30, 20 << 30),
        ),
        (Resources(0, 0, 1, 0, (("hugepages-2Mi", 1 << 20),)), Resources(), ("hugepages-2Mi", 1 << 20, 0)),
        (Resources(0, 0, 1, 0, (("vendor.example/fpga", 1),)), Resources(), ("vendor.example/fpga", 1, 0)),
    ],
)
def test_resource_that_no_other_node_has_is_named_with_its_numbers(
    asked: Resources, other: Resources, reported: tuple[str, int, int]
) -> None:
    others = [a_pod(f"other-{index}", f"n-{index}", requests=other) for index in (1, 2)]
    facts = held(a_pod("train", requests=asked), *others).params
    assert (facts["resource"], facts["asked"], facts["free"]) == reported
    assert reported[0] in str(facts["lacks"])


def test_pods_that_share_a_scarce_resource_are_counted_against_each_other() -> None:
    trains = [a_pod(f"train-{index}", requests=TWO_GPUS) for index in range(2)]
    assert lack(*trains) is None
    assert lack(*trains, a_pod("train-2", requests=TWO_GPUS)) is not None
    assert lack(*trains, *(a_pod(f"web-{index}") for index in range(5))) is None


def test_overcommitted_node_accepts_pods_that_request_nothing_of_the_resource() -> None:
    full = [a_pod(f"big-{index}", f"n-{index}", requests=Resources(9000, 0, 1)) for index in (1, 2)]
    assert lack(a_pod("web", requests=Resources(0, 1 << 20, 1)), *full) is None
    assert lack(a_pod("web", requests=Resources(1, 0, 1)), *full) is not None


def test_host_port_is_taken_by_protocol_and_address() -> None:
    def others(port: HostPort) -> list[Pod]:
        return [a_pod(f"in-{index}", f"n-{index}", ports=(port,)) for index in (1, 2)]

    mine = a_pod("gate", ports=(HostPort(80, "TCP", "10.0.0.1"),))
    assert lack(mine, *others(HostPort(80, "UDP"))) is None
    assert lack(mine, *others(HostPort(81))) is None
    assert lack(mine, *others(HostPort(80, "TCP", "10.0.0.2"))) is None
    for port in (HostPort(80), HostPort(80, "TCP", "10.0.0.1")):
        found = lack(mine, *others(port))
        assert found is not None and found.ports
    pair = [a_pod(f"gate-{index}", ports=(HostPort(80),)) for index in range(3)]
    assert lack(*pair[:2]) is None
    assert lack(*pair) is not None


@pytest.mark.parametrize("stuck", ["gated", "unschedulable"])
def test_unschedulable_pods_take_no_capacity_and_are_not_placed_by_the_plan(stuck: str) -> None:
    mine = a_pod("web", requests=Resources(3000, 0, 1))
    waiting = [
        a_pod(f"job-{index}", "", requests=Resources(3000, 0, 1), stuck=stuck, phase="Pending", ready=False)
        for index in range(6)
    ]
    assert lack(mine, *waiting) is None
    plan = a_plan(mine, *waiting)
    assert not plan.held and len(plan.runs) == 3
    evicted = [eviction.pod for run in plan.runs for eviction in run.evictions]
    assert evicted and all(each.startswith("shop/web") for each in evicted)


def test_pod_whose_scheduling_gate_is_removed_counts_as_pending() -> None:
    gated = a_pod("job", "", requests=Resources(3000, 0, 1), stuck="gated")
    mine = a_pod("web", requests=Resources(3000, 0, 1))
    room = a_room([mine, gated], nodes("aa"))
    assert room.shortfall("n-0", [mine]) is None
    room.upsert_pod(gated, replace(gated, stuck=""))
    assert room.shortfall("n-0", [mine]) is not None


def test_placeholders_are_preempted_and_hold_nothing() -> None:
    fillers = [
        a_pod(f"filler-{index}", f"n-{index}", requests=Resources(4000, 0, 1), priority=-10)
        for index in range(3)
    ]
    mine = a_pod("web", requests=Resources(3000, 0, 1))
    assert lack(mine, *fillers[1:]) is None
    assert lack(replace(mine, preempts=False), *fillers[1:]) is not None
    assert lack(*fillers) is None
    plan = a_plan(mine, *fillers[1:])
    assert not plan.held and len(plan.runs) == 3


def test_volumes_of_a_pod_limit_its_nodes() -> None:
    here = NodeTerm(fields=(Requirement("metadata.name", "In", ("n-0",)),))
    there = NodeTerm((Requirement(ZONE, "In", ("b",)),))
    mine = a_pod("db", claims=("data",))
    for term, found in ((here, False), (there, True)):
        room = a_room([mine], nodes("aab"))
        room.upsert_volume(PersistentVolumeClaim("shop", "data", "c", "pv"))
        room.upsert_volume(PersistentVolume("pv", "v", rules=((term,),)))
        answer = room.shortfall("n-0", [mine])
        assert (answer is None) == found
        if answer is not None:
            assert answer.volumes


def test_pod_affinity_needs_a_matching_pod_unless_it_is_the_first() -> None:
    near = (AffinityRule(ZONE, IS_WEB, ("shop",)),)
    cache, web = a_pod("cache", near=near), a_pod("web", "n-2")
    assert lack(cache, web, found=nodes("aab")) is None
    full = a_pod("big", "n-2", requests=Resources(3900, 0, 1))
    assert lack(cache, web, full, found=nodes("aab")) is not None
    assert lack(cache, found=nodes("aab")) is not None
    assert lack(a_pod("web", near=near), found=nodes("aab")) is None
    # Both go: where one lands the other may follow.
    assert lack(cache, a_pod("web"), found=nodes("aab")) is None


def test_anti_affinity_of_other_pods_counts_too() -> None:
    alone = SpreadRule(HOSTNAME_LABEL, (Requirement("app", "Exists"),), ("*",))
    hermits = [a_pod(f"hermit-{index}", f"n-{index}", apart=(alone,)) for index in (1, 2)]
    found = lack(a_pod("web"), *hermits)
    assert found is not None and found.apart
    assert lack(a_pod("web"), *hermits[1:]) is None


def spread(**changes: Any) -> SpreadRule:
    return replace(SpreadRule(ZONE, IS_WEB, ("shop",), 1), **changes)


def test_with_fewer_domains_than_min_domains_the_minimum_is_zero() -> None:
    # Zone b cannot take the pod: zone a is the only one that is left to it.
    found = nodes("aab")
    found[2] = replace(found[2], allocatable=Resources())
    others = [a_pod("web-1", "n-1"), a_pod("web-2", "n-2")]
    assert lack(a_pod("web-0", apart=(spread(),)), *others, found=found) is None
    assert lack(a_pod("web-0", apart=(spread(min_domains=3),)), *others, found=found) is not None


def test_spread_counts_tainted_nodes_unless_it_honours_taints() -> None:
    found = nodes("aab")
    found[2] = replace(found[2], taints=(Taint("dedicated", "NoSchedule"),))
    mine, other = a_pod("web-0", apart=(spread(),)), a_pod("web-1", "n-1")
    assert lack(mine, other, found=found) is not None
    assert lack(replace(mine, apart=(spread(by_taints=True),)), other, found=found) is None


def test_spread_that_honours_taints_does_not_count_the_cordoned_node() -> None:
    """A cordon is a taint: the drained node is no domain any more in which there are none."""
    by_host = spread(topology=HOSTNAME_LABEL, by_taints=True)
    mine = a_pod("web-0", apart=(by_host,))
    others = [a_pod("web-1", "n-1"), a_pod("web-2", "n-2")]
    room = a_room([mine, *others])
    assert room.shortfall("n-0", [mine]) is None
    assert room.tied_to_node("n-0", [mine]) == []
    # The question leaves no trace: n-0 is not cordoned, and counts for the pods of another.
    assert room.shortfall("n-1", [others[0]]) is None
    assert a_room([a_pod("web-1", "n-1", apart=(by_host,)), others[1]]).shortfall("n-0", []) is None
    ignores = replace(mine, apart=(replace(by_host, by_taints=False),))
    bears = replace(mine, tolerations=(Toleration(operator="Exists"),))
    assert all(a_room([each, *others]).shortfall("n-0", [each]) is not None for each in (ignores, bears))


def test_spread_counts_unselected_nodes_only_if_its_policy_ignores_the_selector() -> None:
    mine = a_pod("web-0", apart=(spread(),), node_selector={ZONE: "a"})
    other = a_pod("web-1", "n-1")
    assert lack(mine, other, found=nodes("aab")) is None
    assert lack(replace(mine, apart=(spread(by_affinity=False),)), other, found=nodes("aab")) is not None


def test_spread_does_not_count_terminating_pods() -> None:
    found = nodes("aab")
    found[2] = replace(found[2], allocatable=Resources())
    mine, other = a_pod("web-0", apart=(spread(),)), a_pod("web-1", "n-1")
    room = a_room([mine, other], found)
    assert room.shortfall("n-0", [mine]) is not None
    gone = replace(other, deleting=True)
    room.upsert_pod(other, gone)
    assert room.shortfall("n-0", [mine]) is None
    room.delete_pod(gone)
    assert room.shortfall("n-0", [mine]) is None
    room.upsert_pod(None, other)
    assert room.shortfall("n-0", [mine]) is not None


@pytest.mark.parametrize(
    "doubt",
    [
        Doubt(DoubtKind.RESOURCE_CLAIM, "gpu"),
        Doubt(DoubtKind.SCHEDULER, "volcano"),
        Doubt(DoubtKind.GANG, "ring"),
        Doubt(DoubtKind.NAMESPACES, "team In a"),
        Doubt(DoubtKind.VOLUME_MADE, "scratch"),
    ],
)
def test_unknown_constraints_are_listed_in_the_plan_and_hold_nothing(doubt: Doubt) -> None:
    plan = a_plan(a_pod("train", doubts=(doubt,)))
    assert not plan.held
    [reported] = plan.doubts
    assert (reported.pod, reported.node, reported.about, reported.subject) == (
        "shop/train",
        "n-0",
        doubt.about,
        doubt.subject,
    )
    assert reported.message.startswith("cannot be known: ")


def test_unread_or_unbound_volumes_are_a_doubt() -> None:
    mine = a_pod("db", claims=("lost", "unbound", "unread", "known"))
    claims = tuple(
        PersistentVolumeClaim("shop", name, name, volume)
        for name, volume in (("unbound", ""), ("unread", "pv-1"), ("known", "pv-2"))
    )
    plan = a_plan(mine, claims=claims, volumes=(PersistentVolume("pv-2", "v"),))
    assert [each.about for each in plan.doubts] == [
        DoubtKind.CLAIM_UNREAD,
        DoubtKind.CLAIM_UNBOUND,
        DoubtKind.VOLUME_UNREAD,
    ]


def test_lint_finds_pods_without_another_place_and_doubtful_ones() -> None:
    trains = [a_pod(f"train-{index}", f"n-{index}", requests=TWO_GPUS) for index in range(3)]
    odd = a_pod("odd", doubts=(Doubt(DoubtKind.SCHEDULER, "volcano"),))
    found = lint(a_policy(a_pool()), [a_snapshot(nodes(), ([], [*trains, odd]))]).findings
    checks = {(each.check, each.subject) for each in found}
    assert checks >= {("capacity", "shop/train-0"), ("landing-unknown", "shop/odd")}


def test_nodes_held_for_a_resource_are_checked_again_once_a_node_has_enough() -> None:
    trains = [a_pod(f"train-{index}", f"n-{index}", requests=TWO_GPUS) for index in range(3)]
    room = a_room(trains)
    for _ in range(2):
        for train in trains:
            assert room.shortfall(train.node, [train]) is not None
    shortage = room.lacking_shape("n-0")
    assert shortage is not None and not room.may_fit_now(shortage)
    room.delete_pod(trains[2])
    assert room.may_fit_now(shortage)
    assert room.shortfall("n-0", [trains[0]]) is None and room.lacking_shape("n-0") is None
    room.upsert_pod(None, trains[2])
    assert room.shortfall("n-0", [trains[0]]) is not None
    room.upsert_node(a_node("n-3", allocatable=SIZE, unschedulable=True))
    assert not room.may_fit_now(shortage)
    room.upsert_node(a_node("n-3", allocatable=SIZE))
    assert room.may_fit_now(shortage)


def test_shortage_of_a_node_with_capacity_of_its_own_does_not_hold_others() -> None:
    # n-1 has two devices free beside its own pod: not for its own, but for that of n-0.
    wide = nodes()
    wide[1] = replace(wide[1], allocatable=replace(SIZE, others=((GPU, 4),)))
    trains = [a_pod(f"train-{index}", f"n-{index}", requests=TWO_GPUS) for index in range(3)]
    room = a_room(trains, wide)
    assert room.shortfall("n-1", [trains[1]]) is not None and room.lacking_shape("n-1") is None
    assert room.shortfall("n-0", [trains[0]]) is None
