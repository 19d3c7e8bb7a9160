"""A canary that never gets there is replaced; nothing waits for what can never come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import Node, NodeRef, Resources
from fleet.core.objects.pod import PodRef
from fleet.core.objects.workload import NodeLock, Workload
from fleet.core.policy.policy import Amount, Limits
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Cordon
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import START, a_budget, a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout


def a_fleet(*nodes: Node, behaviour: ClusterBehaviour | None = None) -> SimulatedRollout:
    pools = [
        a_pool(name, limits=Limits(Amount(9))) for name in dict.fromkeys(n.labels["pool"] for n in nodes)
    ]
    return SimulatedRollout([a_snapshot(list(nodes))], a_policy(*pools), behaviour)


def nodes(count: int, pool: str = "workers", prefix: str = "n") -> list[Node]:
    return [a_node(f"{prefix}-{index}", pool=pool) for index in range(count)]


def begun(story: SimulatedRollout) -> list[str]:
    """In the order of their first cordon."""
    return list(dict.fromkeys(each.node.name for _, each, _ in story.performed if isinstance(each, Cordon)))


def canaries(story: SimulatedRollout) -> set[str]:
    return {ref.name for ref in story.rollout.canaries}


def reasons(story: SimulatedRollout, name: str) -> list[Reason]:
    return [held.reason for held in story.engine.why(NodeRef("east", name), story.now)]


def test_canary_whose_node_is_deleted_is_replaced_by_the_next_best() -> None:
    story = a_fleet(*nodes(4))
    story.start(canaries=["n-1"])
    story.turn()
    story.models["east"].stranger.delete_node("n-1")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.CANCELLED, "n-2": Step.DONE, "n-3": Step.DONE}
    first = story.run_of("n-0")
    assert first.goal.canary and begun(story)[0] == "n-0"
    assert all(story.run_of(name).begun > first.since for name in ("n-2", "n-3"))  # type: ignore[operator]


def test_failed_and_released_canary_is_replaced_once_the_rollout_resumes() -> None:
    story = a_fleet(*nodes(3), behaviour=ClusterBehaviour(failures={"n-0": "old-version"}))
    story.start(canaries=["n-0"])
    story.run()
    assert story.rollout.state is RolloutState.HALTED
    story.send("resume")
    story.run(seconds=3600)
    # Nobody has looked at the node yet: the reason says so, and what to do.
    assert story.steps()["n-1"] is Step.PENDING
    (held,) = story.engine.why(NodeRef("east", "n-1"), story.now)
    assert (held.reason, held.params["node"]) == (Reason.CANARY_FAILED, "east/n-0")
    story.send("release", "east/n-0")
    story.run()
    assert story.steps() == {"n-0": Step.FAILED, "n-1": Step.DONE, "n-2": Step.DONE}
    assert begun(story) == ["n-0", "n-1", "n-2"] and canaries(story) == {"n-0", "n-1"}


def test_every_failing_canary_halts_the_rollout_again() -> None:
    behaviour = ClusterBehaviour(failures={"n-0": "old-version", "n-1": "old-version"})
    story = a_fleet(*nodes(3), behaviour=behaviour)
    story.start(canaries=["n-0"])
    for name in ("n-0", "n-1"):
        story.run()
        assert story.rollout.state is RolloutState.HALTED and "a canary failed" in story.rollout.why
        assert story.steps()["n-2"] is Step.PENDING
        story.send("release", f"east/{name}")
        story.send("resume")
    story.run()
    assert story.steps()["n-2"] is Step.DONE


def test_held_canary_is_replaced_after_five_minutes() -> None:
    story = a_fleet(*nodes(3))
    story.start(canaries=["n-2"])
    story.models["east"].stranger.cordon("n-2")
    story.run(seconds=290)
    assert begun(story) == [] and canaries(story) == {"n-2"}
    story.run(seconds=3600)
    assert canaries(story) == {"n-0"} and begun(story) == ["n-0", "n-1"]
    assert reasons(story, "n-2") == [Reason.FOREIGN_CORDON]
    story.models["east"].stranger.uncordon("n-2")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED and story.steps()["n-2"] is Step.DONE


def test_canary_that_is_not_ready_for_a_while_stays_the_canary() -> None:
    story = a_fleet(*nodes(3))
    story.start(canaries=["n-2"])
    for _ in range(20):
        story.models["east"].stranger.node_ready("n-2", False)
        story.run(seconds=60)
        story.models["east"].stranger.node_ready("n-2", True)
        story.turn()
        if story.steps()["n-2"] is not Step.PENDING:
            break
    story.run()
    assert canaries(story) == {"n-2"} and begun(story)[0] == "n-2"


def test_temporary_wait_replaces_no_canary() -> None:
    some = nodes(3)
    pool = a_pool(limits=Limits(Amount(1)))
    story = SimulatedRollout([a_snapshot([*some, a_node("n-9")])], a_policy(pool))
    story.models["east"].stranger.node_ready("n-9", False)
    story.start(canaries=["n-0"])
    story.run(seconds=7200)
    # The pool's only place is taken by a node that is not Ready.
    assert canaries(story) == {"n-0"} and begun(story) == []
    (held,) = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert held.reason is Reason.POOL_LIMIT and held.remedy


def test_without_a_possible_canary_each_node_shows_its_reason_and_a_freed_one_goes() -> None:
    story = a_fleet(*nodes(3))
    story.start(canaries=["n-0"])
    story.turn()
    model = story.models["east"]
    for name in ("n-1", "n-2"):
        model.stranger.cordon(name)
    model.stranger.delete_node("n-0")
    story.run(seconds=3600)
    found = story.engine.why(NodeRef("east", "n-1"), story.now)
    assert [held.reason for held in found] == [Reason.FOREIGN_CORDON, Reason.NO_CANARY]
    assert all(held.needs_action and held.remedy for held in found)
    assert "n-2: cordoned" in found[1].remedy
    model.stranger.uncordon("n-2")
    story.run(seconds=3600)
    assert story.steps()["n-2"] is Step.DONE and canaries(story) == {"n-0", "n-2"}
    model.stranger.uncordon("n-1")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED


def test_pool_in_which_no_node_can_go_does_not_stop_the_others() -> None:
    story = a_fleet(*nodes(2), *nodes(2, "edge", "e"))
    story.start(canaries=["n-0", "e-0"])
    for name in ("e-0", "e-1"):
        story.models["east"].stranger.cordon(name)
    story.run(seconds=7200)
    assert {name for name, step in story.steps().items() if step is Step.DONE} == {"n-0", "n-1"}
    story.models["east"].stranger.uncordon("e-1")
    story.run(seconds=7200)
    assert story.run_of("e-1").goal.canary and story.steps()["e-1"] is Step.DONE
    story.models["east"].stranger.uncordon("e-0")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED


def test_canaries_of_every_pool_are_proven_before_the_rest_begins() -> None:
    story = a_fleet(
        *nodes(2), *nodes(2, "edge", "e"), behaviour=ClusterBehaviour(failures={"e-0": "stage-fails"})
    )
    story.start(canaries=["n-0", "e-0"])
    story.run()
    assert story.rollout.state is RolloutState.HALTED and story.steps()["n-1"] is Step.PENDING
    story.send("resume")
    story.run()
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE, "e-0": Step.FAILED, "e-1": Step.DONE}
    assert begun(story)[:2] == ["n-0", "e-1"]


def test_two_canaries_stay_two_when_one_is_replaced() -> None:
    story = a_fleet(*nodes(4))
    story.start(canaries=["n-0", "n-1"])
    story.turn()
    story.models["east"].stranger.delete_node("n-0")
    story.run()
    assert begun(story)[:2] == ["n-1", "n-2"] and canaries(story) == {"n-0", "n-1", "n-2"}
    assert story.run_of("n-3").begun >= story.run_of("n-2").since  # type: ignore[operator]


def test_next_best_canary_has_the_budgets_with_the_least_work_left() -> None:
    some = nodes(3)
    workloads, pods = a_deployment("shop", 4, some[1:2])
    snapshot = a_snapshot(some, (workloads, pods), [a_budget("shop", 4, 1)])
    story = SimulatedRollout([snapshot], a_policy(a_pool(limits=Limits(Amount(9)))))
    story.start(canaries=["n-0"])
    story.turn()
    story.models["east"].stranger.delete_node("n-0")
    story.run()
    assert begun(story) == ["n-2", "n-1"]


@pytest.mark.parametrize("seconds", [1, 60, 310, 400])
def test_journal_and_checkpoint_give_the_same_canaries(
    seconds: int,
) -> None:
    story = a_fleet(*nodes(3))
    story.start(canaries=["n-2"])
    story.models["east"].stranger.cordon("n-2")
    story.run(seconds=seconds)
    replayed = rollouts_of(story.entries)["r-1"]
    for other in (replayed, restore_checkpoint(take_checkpoint(replayed))):
        assert other.canaries == story.rollout.canaries and other.runs == story.rollout.runs
        assert (other.required, other.open_in) == (story.rollout.required, story.rollout.open_in)
    story.kill()
    story.run(seconds=7200)
    assert canaries(story) == {"n-0"} and begun(story) == ["n-0", "n-1"]


def stuck_pod(minutes: int, name: str = "n-0", **changes: object) -> SimulatedRollout:
    """One pod on the node was to be gone so many minutes ago."""
    some = nodes(3)
    workloads, pods = a_deployment("backup", 1, [a_node(name)])
    gone_by = START - timedelta(minutes=minutes)
    facts = {"finalizers": True, "finalizer_names": ("volumes.example/guard",), **changes}
    pods = [replace(each, deleting=True, gone_by=gone_by, ready=False, **facts) for each in pods]
    return SimulatedRollout([a_snapshot(some, (workloads, pods))], a_policy(a_pool(limits=Limits(Amount(9)))))


def test_pod_terminating_for_days_holds_its_node_before_the_cordon() -> None:
    story = stuck_pod(9 * 24 * 60)
    story.start(canaries=["n-0"])
    story.run(seconds=7200)
    assert begun(story) == ["n-1", "n-2"]
    (held,) = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert held.reason is Reason.STUCK_TERMINATING and held.needs_action
    assert "volumes.example/guard" in held.message and "2026-10-24" in held.message
    assert "volumes.example/guard" in held.remedy
    story.models["east"].stranger.take_finalizers(PodRef("web", held.subject.partition("/")[2]))
    story.run()
    assert story.rollout.state is RolloutState.FINISHED


def test_pod_that_has_just_begun_to_terminate_holds_nothing() -> None:
    story = stuck_pod(0, finalizers=False, finalizer_names=())
    story.start(canaries=["n-0"])
    story.run()
    assert begun(story)[0] == "n-0" and story.rollout.state is RolloutState.FINISHED


def test_stuck_pod_without_finalizers_has_another_remedy() -> None:
    story = stuck_pod(60, finalizers=False, finalizer_names=())
    story.start()
    story.run(seconds=3600)
    (held,) = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert held.reason is Reason.STUCK_TERMINATING and "kubectl delete pod" in held.remedy


def test_canary_without_room_for_its_pods_is_replaced_by_one_that_has_it() -> None:
    """Room that is lacking does not come by itself."""
    some = [a_node("n-0", allocatable=Resources(4000, 8 << 30, 110)), *nodes(3)[1:]]
    workloads, pods = a_deployment("big", 1, some[:1])
    pods = [replace(each, node_selector={"disk": "fast"}) for each in pods]
    story = SimulatedRollout(
        [a_snapshot(some, (workloads, pods))], a_policy(a_pool(limits=Limits(Amount(9))))
    )
    story.start(canaries=["n-0"])
    story.run(seconds=7200)
    assert begun(story) == ["n-1", "n-2"] and reasons(story, "n-0") == [Reason.CAPACITY]


def test_canary_held_by_a_lock_with_an_end_goes_then_without_an_event() -> None:
    lock = NodeLock("a-0", START, START + timedelta(hours=2))
    daemon_set = Workload("DaemonSet", "kube-system", "reboots", "uid-ds", locks=(lock,))
    snapshot = a_snapshot([*nodes(1, "a", "a"), *nodes(2, "b", "b")], ([daemon_set], []))
    story = SimulatedRollout([snapshot], a_policy(a_pool("a"), a_pool("b")))
    story.start(canaries=["a-0", "b-0"])
    story.run(until=lambda: story.steps()["b-1"] is Step.DONE)
    assert reasons(story, "a-0")[0] is Reason.OTHERS and canaries(story) == {"b-0"}
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
