"""Pods that only their own node can take: when they may wait for it, and when its drain could never end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.capacity.eligible_nodes import EligibleNodes
from fleet.core.objects.budget import Budget
from fleet.core.objects.node import Node, NodeRef, Resources, Taint, Toleration
from fleet.core.objects.placement import HOSTNAME_LABEL, NodeTerm, SpreadRule
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.objects.volumes import ClusterVolumes
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, DrainRule, Limits
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Evict, Result
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, START, a_budget, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

MANY = a_pool(limits=Limits(max_unavailable=Amount(9)))


def a_host(name: str, **fields: object):  # type: ignore[no-untyped-def]
    node = a_node(name, **fields)  # type: ignore[arg-type]
    return replace(node, labels={**node.labels, HOSTNAME_LABEL: name})


NODES = [a_host(f"n-{number}") for number in (1, 2, 3)]


def an_osd(number: int, node: str, app: str = "osd", **fields: object) -> Pod:
    """As Rook has them: a Deployment for each disk, which its node alone has."""
    reported: dict[str, object] = {
        "labels": {"app": app},
        "owner": Owner("ReplicaSet", f"{app}-{number}", f"rs-{app}-{number}"),
        "node_selector": {HOSTNAME_LABEL: node},
        "requests": Resources(100, 128 << 20, 1),
    }
    return Pod("web", f"{app}-{number}", f"pod-{app}-{number}", node=node, **(reported | fields))  # type: ignore[arg-type]


def a_story(
    pods: list[Pod], *budgets: Budget, rule: DrainRule | None = None, nodes: Sequence[Node] = NODES
) -> SimulatedRollout:
    pool = replace(MANY, drain=rule) if rule is not None else MANY
    story = SimulatedRollout([a_snapshot(list(nodes), ([], pods), list(budgets))], a_policy(pool))
    story.start()
    return story


def why(story: SimulatedRollout, node: str) -> list[tuple[Reason, str]]:
    return [(held.reason, held.subject) for held in story.engine.why(NodeRef("east", node), story.now)]


def evicted(story: SimulatedRollout) -> list[str]:
    return [
        action.pod.name
        for _, action, result in story.performed
        if isinstance(action, Evict) and result is Result.DONE
    ]


@pytest.mark.parametrize("per_node", [1, 2])
def test_pinned_pods_within_their_budget_wait_for_their_node_and_the_next_node_waits_for_them(
    per_node: int,
) -> None:
    pods = [an_osd(number, f"n-{number % 3 + 1}") for number in range(3 * per_node)]
    story = a_story(pods, a_budget("osd", len(pods), per_node))
    most = 0

    def count() -> bool:
        nonlocal most
        most = max(most, sum(not node.available for node in story.models["east"].snapshot(story.now).nodes))
        return False

    story.run(until=count)
    assert set(story.steps().values()) == {Step.DONE}
    assert most == 1
    assert len(evicted(story)) == len(pods)
    assert all(pod.ready for pod in story.models["east"].snapshot(story.now).pods)


def test_pinned_pods_beyond_their_budget_hold_their_node() -> None:
    pods = [an_osd(number, f"n-{number % 3 + 1}") for number in range(6)]
    story = a_story(pods, a_budget("osd", 6, 1))
    story.run(seconds=7200)
    assert set(story.steps().values()) == {Step.STAGED} and not evicted(story)
    assert why(story, "n-1") == [(Reason.PINNED_TOGETHER, "web/osd")]
    [held] = story.engine.why(NodeRef("east", "n-1"), story.now)
    assert (held.params["count"], held.params["room"], held.needs_action) == (2, 1, True)
    story.models["east"].stranger.put_budget(a_budget("osd", 6, 2))
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_pinned_pods_beyond_their_budget_hold_even_where_no_room_evict_is_set() -> None:
    story = a_story(
        [an_osd(0, "n-1"), an_osd(1, "n-1")], a_budget("osd", 2, 1), rule=DrainRule(no_room="evict")
    )
    story.run(seconds=7200)
    assert story.steps() == {"n-1": Step.STAGED, "n-2": Step.DONE, "n-3": Step.DONE}


def test_pinned_pod_without_a_budget_is_held_unless_the_policy_lets_it_be_down() -> None:
    story = a_story([an_osd(0, "n-1")])
    story.run(seconds=7200)
    assert story.steps()["n-1"] is Step.STAGED
    assert why(story, "n-1") == [(Reason.PINNED, "web/osd-0")]
    story = a_story([an_osd(0, "n-1")], rule=DrainRule(no_room="evict"))
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_movable_pods_are_evicted_before_the_pinned_one() -> None:
    pods = [an_osd(0, "n-1"), an_osd(1, "n-1", node_selector={}), an_osd(2, "n-1", node_selector={})]
    story = a_story(pods, a_budget("osd", 3, 1), rule=DrainRule(timeout_seconds=600))
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    assert evicted(story)[:3][-1] == "osd-0"


@pytest.mark.parametrize(
    "pinned",
    [
        {"node_selector": {}, "affinity": (NodeTerm((Requirement(HOSTNAME_LABEL, "In", ("n-1",)),)),)},
        {
            "node_selector": {},
            "affinity": (NodeTerm(fields=(Requirement("metadata.name", "In", ("n-1",)),)),),
        },
        {"node_selector": {"disk": "nvme"}},
    ],
)
def test_every_kind_of_constraint_pins(pinned: dict[str, object]) -> None:
    nodes = [replace(NODES[0], labels={**NODES[0].labels, "disk": "nvme"}), *NODES[1:]]
    pods = [an_osd(number, "n-1", **pinned) for number in range(2)]  # type: ignore[arg-type]
    story = a_story(pods, a_budget("osd", 2, 1), nodes=nodes)
    story.run(seconds=7200)
    assert why(story, "n-1") == [(Reason.PINNED_TOGETHER, "web/osd")]


def test_taint_of_all_other_nodes_pins_too() -> None:
    nodes = [
        NODES[0],
        *(replace(node, taints=(Taint("dedicated", "NoSchedule", "gpu"),)) for node in NODES[1:]),
    ]
    pods = [an_osd(number, "n-1", node_selector={}) for number in range(2)]
    story = a_story(pods, a_budget("osd", 2, 1), nodes=nodes)
    story.run(seconds=7200)
    assert why(story, "n-1") == [(Reason.PINNED_TOGETHER, "web/osd")]
    free = [replace(pod, tolerations=(Toleration("dedicated", "Exists"),)) for pod in pods]
    story = a_story(free, a_budget("osd", 2, 1), nodes=nodes)
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_pod_too_large_for_any_other_node_may_wait_for_its_own() -> None:
    nodes = [replace(NODES[0], allocatable=Resources(16000, 64 << 30, 110)), *NODES[1:]]
    pods = [an_osd(0, "n-1", node_selector={}, requests=Resources(12000, 1 << 30, 1))]
    story = a_story(pods, a_budget("osd", 1, 1), nodes=nodes)
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    story = a_story(pods, nodes=nodes)
    story.run(seconds=7200)
    assert why(story, "n-1") == [(Reason.PINNED, "web/osd-0")]


def test_two_workloads_with_a_pod_on_every_node_under_one_budget() -> None:
    """Found while writing this: each pod may wait, since its budget lets one be away; the two of a node may not."""
    pods = []
    for app in ("kv", "log"):
        apart = SpreadRule(HOSTNAME_LABEL, (Requirement("part", "In", (app,)),), ("web",))
        pods += [
            an_osd(
                number,
                f"n-{number + 1}",
                app,
                node_selector={},
                apart=(apart,),
                labels={"app": "db", "part": app},
            )
            for number in range(3)
        ]
    budget = replace(a_budget("db", 6, 1), selector=Selector({"app": "db"}))
    story = a_story(pods, budget)
    story.run(seconds=7200)
    assert set(story.steps().values()) == {Step.STAGED} and not evicted(story)
    assert why(story, "n-2") == [(Reason.PINNED_TOGETHER, "web/db")]


def test_pod_that_another_node_can_take_is_not_pinned_once_its_node_is_drained() -> None:
    """It is on its way then, and must not be taken for another that has the last place already."""
    apart = SpreadRule(HOSTNAME_LABEL, (Requirement("app", "In", ("osd",)),), ("web",))
    pods = [an_osd(number, f"n-{number}", node_selector={}, apart=(apart,)) for number in (1, 2, 3)]
    room = ClusterCapacity()
    for node in [*NODES, a_host("n-4")]:
        room.upsert_node(node)
    for pod in pods:
        room.upsert_pod(None, pod)
    assert room.tied_to_node("n-1", pods[:1]) == []
    room.start_drain("n-1", pods[:1])
    assert room.tied_to_node("n-1", pods[:1]) == []
    room.delete_node("n-4")
    assert room.tied_to_node("n-1", pods[:1]) == pods[:1]


def test_node_that_can_take_them_once_it_is_back_is_waited_for() -> None:
    nodes = [replace(node, labels={**node.labels, "disk": "nvme"}) for node in NODES[:2]] + NODES[2:]
    pods = [an_osd(number, f"n-{number + 1}", node_selector={"disk": "nvme"}) for number in range(2)]
    story = a_story(pods, a_budget("osd", 2, 1), nodes=nodes)
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_selector_that_its_own_node_no_longer_meets_pins_nothing() -> None:
    story = a_story([an_osd(0, "n-1", node_selector={"disk": "gone"})], a_budget("osd", 1, 1))
    story.run(seconds=7200)
    assert why(story, "n-1") == [(Reason.CAPACITY, "web/osd-0")]


def test_single_node_cluster_goes_where_its_budgets_allow_it() -> None:
    pods = [an_osd(0, "n-1", node_selector={}), an_osd(1, "n-1", "ui", node_selector={})]
    budgets = [a_budget("osd", 1, 1), a_budget("ui", 1, 1)]
    story = a_story(pods, *budgets, nodes=NODES[:1])
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    story = a_story(pods, budgets[0], nodes=NODES[:1])
    story.run(seconds=7200)
    assert why(story, "n-1") == [(Reason.PINNED, "web/ui-1")]


def test_plan_agrees_and_its_bound_holds() -> None:
    pods = [an_osd(number, f"n-{number + 1}") for number in range(3)]
    snapshot = a_snapshot(NODES, ([], pods), [a_budget("osd", 3, 1)])
    plan = make_plan(
        PlanRequest("p", [snapshot], a_policy(MANY), ["workers"], NEW, START, DurationEstimates())
    )
    assert len(plan.runs) == 3 and not plan.held
    assert plan.lower_bound_seconds <= plan.makespan_seconds
    double = a_snapshot(NODES, ([], [*pods, an_osd(7, "n-1")]), [a_budget("osd", 4, 1)])
    plan = make_plan(PlanRequest("p", [double], a_policy(MANY), ["workers"], NEW, START, DurationEstimates()))
    assert [(hold.node, hold.reason) for hold in plan.held] == [("n-1", Reason.PINNED_TOGETHER)]


def test_added_deleted_and_relabelled_nodes_change_what_is_pinned() -> None:
    takers, pod = EligibleNodes(ClusterVolumes()), an_osd(0, "n-1", node_selector={"disk": "nvme"})
    here, there = (replace(node, labels={**node.labels, "disk": "nvme"}) for node in NODES[:2])
    steps: list[tuple[Callable[[], None], bool]] = [
        (lambda: takers.upsert_node(here), True),
        (lambda: takers.upsert_node(NODES[1]), True),
        (lambda: takers.upsert_node(there), False),
        (lambda: takers.upsert_node(replace(there, taints=(Taint("x", "NoSchedule"),))), True),
        (lambda: takers.upsert_node(replace(there, ready=False, unschedulable=True)), False),
        (lambda: takers.upsert_node(replace(there, allocatable=Resources(50, 1 << 20, 10))), True),
        (lambda: takers.upsert_node(there), False),
        (lambda: takers.delete_node("n-2"), True),
        (lambda: takers.delete_node("n-1"), False),
    ]
    for step, alone in steps:
        step()
        assert takers.is_only_node("n-1", pod) is alone
