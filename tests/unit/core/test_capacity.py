"""A drain is not begun where its pods could not land."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.engine.decision import Decision
from fleet.core.objects.node import NodeRef, Resources, Taint
from fleet.core.objects.placement import HOSTNAME_LABEL, NodeTerm, SpreadRule
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement
from fleet.core.policy.policy import Amount, DrainRule, Limits
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import START, a_budget, a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout

SIZE = Resources(1000, 1 << 30, 10)
FREE = a_pool(limits=Limits(max_unavailable=Amount(9)), drain=DrainRule(no_room="hold"))


def a_story(
    nodes: int, replicas: int, cpu: int, rule: DrainRule | None = None, **changes: object
) -> SimulatedRollout:
    made = [a_node(f"n-{index}", allocatable=SIZE) for index in range(nodes)]
    workloads, pods = a_deployment("api", replicas, made)
    asked = Resources(cpu, 64 << 20, 1)
    pods = [replace(pod, requests=asked, **changes) for pod in pods]
    pool = replace(FREE, drain=rule) if rule else FREE
    return SimulatedRollout([a_snapshot(made, (workloads, pods))], a_policy(pool))


def most_out(story: SimulatedRollout) -> int:
    most = 0

    def count() -> bool:
        nonlocal most
        nodes = story.models["east"].snapshot(story.now).nodes
        most = max(most, sum(not node.available for node in nodes))
        return False

    story.start()
    story.run(until=count)
    return most


def test_as_many_nodes_drain_at_once_as_the_others_have_capacity_for() -> None:
    # Six pods of half a node each on four nodes of two places: the rest has two places to spare.
    story = a_story(nodes=4, replicas=6, cpu=500)
    assert most_out(story) == 1
    assert set(story.steps().values()) == {Step.DONE}


def test_with_enough_capacity_all_nodes_go() -> None:
    story = a_story(nodes=4, replicas=4, cpu=10)
    assert most_out(story) == 3
    assert set(story.steps().values()) == {Step.DONE}


def test_full_cluster_is_not_begun_and_the_pod_and_the_shortfall_are_named(golden: GoldenFiles) -> None:
    story = a_story(nodes=2, replicas=2, cpu=600)
    story.start()
    story.run(seconds=3600)
    assert set(story.steps().values()) == {Step.STAGED}
    [held] = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert (held.reason, held.subject) == (Reason.CAPACITY, "web/api-1-0") and held.needs_action
    assert (held.params["cpu"], held.params["memory"]) == (600, "64 MiB")
    golden.check(f"{held.message}\n{held.remedy}")


def test_pod_that_fits_no_other_node_holds_its_node_unless_the_policy_allows_the_wait() -> None:
    story = a_story(nodes=2, replicas=1, cpu=10, node_selector={"disk": "here"})
    story.models["east"].stranger.label("n-0", "disk", "here")
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.STAGED, "n-1": Step.DONE}
    [held] = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert (held.reason, held.subject, held.needs_action) == (Reason.PINNED, "web/api-1-0", True)
    lenient = a_story(2, 1, 10, DrainRule(no_room="evict"), node_selector={"disk": "here"})
    lenient.models["east"].stranger.label("n-0", "disk", "here")
    lenient.start()
    lenient.run(seconds=3600)
    assert set(lenient.steps().values()) == {Step.DONE}


def why(story: SimulatedRollout, name: str) -> list[Held]:
    return list(story.engine.why(NodeRef("east", name), story.now))


def test_shortage_while_another_node_is_out_needs_no_operator() -> None:
    """Room for two of three: each node goes when the one before it is back."""
    story = a_story(nodes=3, replicas=3, cpu=450)
    reported: set[tuple[Reason, bool]] = set()

    def look() -> bool:
        reported.update(
            (held.reason, held.needs_action)
            for name, step in story.steps().items()
            if step is Step.STAGED
            for held in why(story, name)
        )
        return False

    story.start()
    story.run(until=look)
    assert set(story.steps().values()) == {Step.DONE}
    assert (Reason.ROOM, False) in reported
    assert not any(needs_action for _, needs_action in reported)


def test_nodes_that_are_out_are_named_and_a_failed_one_frees_no_capacity() -> None:
    made = a_story(nodes=3, replicas=3, cpu=450)
    policy = a_policy(replace(FREE, failure_limit=9))
    story = SimulatedRollout(
        [made.models["east"].snapshot(START)], policy, ClusterBehaviour(failures={"n-0": "old-version"})
    )
    board: dict[NodeRef, tuple[Held, ...]] = {}
    decide = story.engine.decide

    def record(now: datetime) -> Decision:
        decision = decide(now)
        board.update(decision.held)
        return decision

    story.engine.decide = record  # type: ignore[method-assign]
    story.start()
    story.run(until=lambda: story.steps()["n-0"] is Step.REBOOT)
    (held,) = board[NodeRef("east", "n-1")]
    assert (held.reason, held.params["back"]) == (Reason.ROOM, "n-0 is")
    story.run(until=lambda: story.steps()["n-0"] is Step.FAILED)
    story.turn()
    for held in (*board[NodeRef("east", "n-1")], *why(story, "n-1")):
        assert held.reason is Reason.CAPACITY and held.needs_action
    story.send("release", "east/n-0")
    story.run()
    assert story.steps() == {"n-0": Step.FAILED, "n-1": Step.DONE, "n-2": Step.DONE}


def test_new_capacity_lets_the_next_node_begin() -> None:
    story = a_story(nodes=2, replicas=2, cpu=600)
    story.start()
    story.run(seconds=3600)
    assert set(story.steps().values()) == {Step.STAGED}
    spare = a_node("spare", pool="others", allocatable=SIZE)
    story.models["east"].stranger.add_node(spare)
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def a_room(*pods: Pod, nodes: int = 2, taints: tuple[Taint, ...] = ()) -> ClusterCapacity:
    room = ClusterCapacity()
    for index in range(nodes):
        room.upsert_node(a_node(f"n-{index}", allocatable=SIZE, taints=taints if index else ()))
    for pod in pods:
        room.upsert_pod(None, pod)
    return room


def a_pod(name: str, node: str, cpu: int) -> Pod:
    return Pod("web", name, name, node, owner=Owner("ReplicaSet", "a"), requests=Resources(cpu, 0, 1))


def test_node_with_a_taint_that_the_pod_does_not_tolerate_is_no_capacity() -> None:
    mine = a_pod("a", "n-0", 100)
    assert a_room(mine).shortfall("n-0", [mine]) is None
    assert a_room(mine, taints=(Taint("gpu", "PreferNoSchedule"),)).shortfall("n-0", [mine]) is None
    lack = a_room(mine, taints=(Taint("gpu", "NoSchedule"),)).shortfall("n-0", [mine])
    assert lack is not None and lack.suitable == 0


def test_pending_pods_take_capacity_unless_they_fit_nowhere() -> None:
    mine = a_pod("a", "n-0", 600)
    assert a_room(mine, a_pod("waits", "", 300)).shortfall("n-0", [mine]) is None
    assert a_room(mine, a_pod("waits", "", 500)).shortfall("n-0", [mine]) is not None
    assert a_room(mine, a_pod("huge", "", 5000)).shortfall("n-0", [mine]) is None


def test_reservation_ends_with_the_drain() -> None:
    mine, other = a_pod("a", "n-0", 600), a_pod("b", "n-1", 100)
    room = a_room(mine, other)
    room.start_drain("n-1", [other])
    assert room.shortfall("n-0", [mine]) is not None
    room.delete_pod(other)
    assert room.end_drain("n-1")
    assert room.shortfall("n-0", [mine]) is None


def test_finished_pods_take_no_capacity() -> None:
    mine, job = a_pod("a", "n-0", 600), a_pod("job", "n-1", 900)
    room = a_room(mine, job)
    assert room.shortfall("n-0", [mine]) is not None
    room.upsert_pod(job, replace(job, phase="Succeeded"))
    assert room.shortfall("n-0", [mine]) is None


HOSTS = SpreadRule(HOSTNAME_LABEL, (Requirement("app", "In", ("api",)),), ("web",))


def test_anti_affine_pods_hold_a_node_until_another_is_back() -> None:
    # Three of them on four nodes: one node is free for them at a time.
    story = a_story(nodes=4, replicas=3, cpu=10, apart=(HOSTS,))
    assert most_out(story) < 3
    assert set(story.steps().values()) == {Step.DONE}
    assert len({pod.node for pod in story.models["east"].snapshot(story.now).pods}) == 3


def test_without_another_node_the_budget_decides_whether_a_pod_may_be_away(golden: GoldenFiles) -> None:
    story = a_story(nodes=3, replicas=3, cpu=10, apart=(HOSTS,))
    story.start()
    story.run(seconds=3600)
    assert set(story.steps().values()) == {Step.STAGED}
    [held] = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert held.reason is Reason.CAPACITY
    golden.check(str(held.params["lacks"]))

    made = [a_node(f"n-{index}", allocatable=SIZE) for index in range(3)]
    workloads, pods = a_deployment("api", 3, made)
    pods = [replace(pod, requests=Resources(10, 0, 1), apart=(HOSTS,)) for pod in pods]
    guarded = SimulatedRollout(
        [a_snapshot(made, (workloads, pods), [a_budget("api", 3, max_unavailable=1)])], a_policy(FREE)
    )
    assert most_out(guarded) == 1
    assert set(guarded.steps().values()) == {Step.DONE}
    assert all(pod.ready for pod in guarded.models["east"].snapshot(guarded.now).pods)


def test_required_node_affinity_is_treated_like_a_node_selector() -> None:
    only_here = NodeTerm(fields=(Requirement("metadata.name", "In", ("n-0",)),))
    mine = replace(a_pod("a", "n-0", 100), affinity=(only_here,))
    lack = a_room(mine).shortfall("n-0", [mine])
    assert lack is not None and lack.suitable == 0
