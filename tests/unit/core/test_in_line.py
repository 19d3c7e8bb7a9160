"""Nodes that stand in line for a budget: cordoned, they evict its pods once those before are replaced."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.policy.hooks.hook import CommandHook, Hooks
from fleet.core.policy.policy import Amount, DrainRule, Limits, Pool
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Evict, Result
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import a_budget, a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from tests.simulated_rollout import SimulatedRollout

MANY = a_pool(limits=Limits(max_unavailable=Amount(9)))
PATIENCE = timedelta(minutes=10)
NEVER = 10_000_000.0


def a_story(pool: Pool = MANY, start_of_shop: float = 30.0) -> SimulatedRollout:
    """Two nodes, each with a pod of `shop`, of which one may be away, and a third node that takes what is evicted. `n-1`
    also has a pod without a budget, `free`."""
    nodes = [a_node("n-0"), a_node("n-1"), a_node("n-2", pool="none")]
    shop, free = a_deployment("shop", 2, nodes[:2]), a_deployment("free", 1, nodes[1:2])
    workloads, pods = [*shop[0], *free[0]], [*shop[1], *free[1]]
    snapshot = a_snapshot(nodes, (workloads, pods), [a_budget("shop", 2, 1)])
    starts = SpreadLength(5.0, 5.0, {"web/shop": start_of_shop, "web/shop-1": start_of_shop})
    story = SimulatedRollout([snapshot], a_policy(pool), ClusterBehaviour(pod_start=starts))
    story.start()
    return story


def shop(story: SimulatedRollout) -> list[Pod]:
    """Returns the pods of `shop` that serve."""
    pods = story.models["east"].snapshot(story.now).pods
    return [pod for pod in pods if pod.labels["app"] == "shop" and pod.ready and not pod.deleting]


def evicted(story: SimulatedRollout) -> list[tuple[str, str]]:
    """Returns the node and the app of each eviction, in their order."""
    return [
        (action.node.name, action.pod.name.partition("-")[0])
        for _, action, result in story.performed
        if isinstance(action, Evict) and result is Result.DONE
    ]


def cordoned(story: SimulatedRollout) -> list[str]:
    return [action.node.name for _, action, _ in story.performed if action.kind == "cordon"]


def why(story: SimulatedRollout, node: str) -> list[Reason]:
    return [held.reason for held in story.engine.why(NodeRef("east", node), story.now)]


def in_line(story: SimulatedRollout) -> bool:
    """Returns whether `n-1` stands in line behind `n-0`."""
    return ("n-0", "shop") in evicted(story) and story.steps()["n-1"] is Step.DRAIN


def test_node_in_line_is_drained_of_what_may_go_and_of_the_rest_once_the_budget_opens() -> None:
    story = a_story()
    story.run(until=lambda: ("n-1", "free") in evicted(story))
    assert evicted(story) == [("n-0", "shop"), ("n-1", "free")] and len(shop(story)) == 1
    fewest = 2

    def count() -> bool:
        nonlocal fewest
        fewest = min(fewest, len(shop(story)))
        return False

    story.run(until=count)
    assert set(story.steps().values()) == {Step.DONE}
    assert evicted(story)[2:3] == [("n-1", "shop")] and fewest == 1
    assert cordoned(story) == ["n-0", "n-1"]


def test_no_more_nodes_stand_in_line_than_the_budget_lets_go_at_once() -> None:
    nodes = [a_node(f"n-{number}") for number in range(6)]
    snapshot = a_snapshot(
        [*nodes, a_node("n-9", pool="none")], a_deployment("shop", 6, nodes), [a_budget("shop", 6, 2)]
    )
    story = SimulatedRollout([snapshot], a_policy(MANY), ClusterBehaviour(pod_start=NEVER))
    story.start()
    story.run(seconds=300)
    assert sorted(cordoned(story)) == ["n-0", "n-1", "n-2", "n-3"]
    assert len(evicted(story)) == 2


def test_node_does_not_stand_in_line_behind_a_pod_that_another_party_took() -> None:
    nodes = [a_node("n-0"), a_node("n-1"), a_node("n-2", pool="none")]
    snapshot = a_snapshot(nodes, a_deployment("shop", 3, nodes), [a_budget("shop", 3, 1)])
    story = SimulatedRollout([snapshot], a_policy(MANY))
    story.start()
    story.models["east"].stranger.pod_ready(PodRef("web", "shop-1-2"), False)
    story.run(seconds=3600)
    assert not cordoned(story) and why(story, "n-0") == why(story, "n-1") == [Reason.BUDGET_UNHEALTHY]


@pytest.mark.parametrize("timeout", [3600, 600])
def test_node_that_stood_in_line_in_vain_is_given_back_and_comes_again_once_the_pod_is_ready(
    timeout: int,
) -> None:
    story = a_story(replace(MANY, drain=DrainRule(timeout_seconds=timeout)), start_of_shop=NEVER)
    story.run(until=lambda: in_line(story))
    began = story.now
    story.run(until=lambda: story.steps()["n-1"] is Step.STAGED)
    waited = min(PATIENCE, timedelta(seconds=timeout / 2))
    assert waited <= story.now - began <= waited + timedelta(seconds=30)
    story.run(seconds=7200)
    # It does not stand in line for the same pod again, and nothing has failed.
    assert cordoned(story) == ["n-0", "n-1"] and story.rollout.state is RolloutState.RUNNING
    assert why(story, "n-1") == [Reason.BUDGET]
    node = next(each for each in story.models["east"].snapshot(story.now).nodes if each.name == "n-1")
    assert node.available
    unready = next(pod for pod in story.models["east"].snapshot(story.now).pods if not pod.ready)
    story.models["east"].stranger.pod_ready(unready.ref, True)
    story.run(until=lambda: story.steps()["n-1"] is Step.REBOOT)
    assert story.run_of("n-1").why == ""


def test_controller_that_was_killed_gives_back_a_node_in_line_too() -> None:
    story = a_story(start_of_shop=NEVER)
    story.run(until=lambda: in_line(story))
    story.kill()
    story.run(seconds=7200)
    assert story.steps()["n-1"] is Step.STAGED and cordoned(story) == ["n-0", "n-1"]


def test_abort_while_a_node_in_line_is_given_back_ends_its_run() -> None:
    story = a_story(start_of_shop=NEVER)
    story.run(until=lambda: story.steps()["n-1"] is Step.RETURN)
    story.kill()
    story.send("abort")
    story.run(seconds=60)
    assert story.steps()["n-1"] is Step.CANCELLED
    assert all(
        node.available for node in story.models["east"].snapshot(story.now).nodes if node.name == "n-1"
    )


def test_node_that_is_removed_while_it_is_given_back_has_not_failed() -> None:
    story = a_story(start_of_shop=NEVER)
    story.run(until=lambda: story.steps()["n-1"] is Step.RETURN)
    story.models["east"].stranger.delete_node("n-1")
    story.run(seconds=60)
    assert story.steps()["n-1"] is Step.CANCELLED


def test_node_with_hooks_before_it_stands_in_no_line() -> None:
    hooks = Hooks(before=(CommandHook(name="detach", command=("/usr/local/bin/detach",)),))
    story = a_story(replace(MANY, hooks=hooks), start_of_shop=NEVER)
    story.run(seconds=7200)
    assert story.steps()["n-1"] is Step.STAGED and cordoned(story) == ["n-0"]
