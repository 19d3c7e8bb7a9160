"""What counts as out: also nodes that cannot be seen, are gone, or have left their pool."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.engine.engine import Engine
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, DrainRule, Limits
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Upserted
from fleet.core.rollout.goal import Start
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

ONE = a_pool(limits=Limits(max_unavailable=Amount(1)), failure_limit=3)


def begun(story: SimulatedRollout) -> str:
    """The node that is drained first."""
    story.start()
    story.run(until=lambda: Step.DRAIN in story.steps().values())
    return next(name for name, step in story.steps().items() if step is Step.DRAIN)


def some(count: int = 3) -> SimulatedRollout:
    return SimulatedRollout([a_snapshot([a_node(f"n-{index}") for index in range(count)])], a_policy(ONE))


def test_cluster_not_yet_seen_by_a_new_controller_counts_as_out() -> None:
    east = a_snapshot([a_node("e-0", unschedulable=True)])
    west = a_snapshot([a_node("w-0")], cluster="west")
    story = SimulatedRollout([east, west], a_policy(ONE), ClusterBehaviour(reboot=800.0))
    story.start()
    story.run(until=lambda: story.run_of("w-0", "west").step is Step.REBOOT)
    story.models["east"].stranger.uncordon("e-0")
    story.run(until=lambda: story.run_of("e-0").step is Step.STAGED)
    for lost in (ClusterLost("west", "connection refused"), None):
        engine = Engine(story.sites, rollouts_of(story.entries).values())
        for thing in story.models["east"].snapshot(story.now).objects():
            engine.observe(Upserted("east", thing), story.now)
        engine.observe(ClusterSynced("east"), story.now)
        if lost:
            engine.observe(lost, story.now)
        engine.decide(story.now)
        waiting = NodeRef("east", "e-0")
        assert engine.rollouts["r-1"].runs[waiting].step is Step.STAGED
        assert Reason.POOL_LIMIT in [each.reason for each in engine.why(waiting, story.now)]


def test_node_deleted_during_its_drain_frees_its_slot_at_once() -> None:
    story = some()
    name = begun(story)
    story.models["east"].stranger.delete_node(name)
    story.run()
    assert story.steps()[name] is Step.CANCELLED and story.rollout.ended_at is not None
    assert {step for node, step in story.steps().items() if node != name} == {Step.DONE}


def test_deleted_unready_node_frees_its_slot() -> None:
    story = some()
    story.start()
    story.models["east"].stranger.node_ready("n-0", None)
    story.run(seconds=3600)
    assert not any(run.touched for run in story.rollout.runs.values())
    story.models["east"].stranger.delete_node("n-0")
    story.run()
    assert story.steps() == {"n-0": Step.CANCELLED, "n-1": Step.DONE, "n-2": Step.DONE}


def test_node_that_leaves_its_pool_stays_bound_by_the_limits_of_its_run() -> None:
    story = some()
    name = begun(story)
    other = next(each for each in story.steps() if each != name)
    story.models["east"].stranger.label(other, "pool", "quarantine")
    story.models["east"].stranger.label(name, "pool", "quarantine")
    most = 0

    def count() -> bool:
        nonlocal most
        most = max(most, sum(not node.available for node in story.models["east"].snapshot(story.now).nodes))
        return False

    story.run(until=count)
    assert most == 1
    assert set(story.steps().values()) == {Step.DONE}


def test_node_that_failed_in_an_earlier_rollout_waits_for_its_release() -> None:
    """Also where that run gave the node back."""
    name = "n-0"
    pods = a_deployment("shop", 1, [a_node(name)])
    stuck = (pods[0], [replace(pods[1][0], finalizers=True)])
    pool = a_pool(drain=DrainRule(timeout_seconds=60, no_room="evict"))
    story = SimulatedRollout([a_snapshot([a_node(name)], stuck)], a_policy(pool))
    story.start()
    story.run(seconds=600)
    assert story.steps() == {name: Step.FAILED} and story.rollout.ended_at is not None
    later = Start("p-2", NEW, story.policy, tuple(run.goal for run in story.rollout.runs.values()))
    story.engine.add(Rollout("r-2", later, story.now, "ada@desk"))
    story.run(seconds=600)
    assert story.engine.rollouts["r-2"].runs[NodeRef("east", name)].step is Step.STAGED
    held = story.engine.why(NodeRef("east", name), story.now)
    assert [each.reason for each in held] == [Reason.OTHER_ROLLOUT]
    story.send("release", f"east/{name}")
    story.turn()
    assert story.engine.rollouts["r-2"].runs[NodeRef("east", name)].touched


def test_deleted_failed_node_keeps_its_slot_in_later_rollouts() -> None:
    name = "n-0"
    nodes = [a_node(f"n-{index}") for index in range(3)]
    story = SimulatedRollout(
        [a_snapshot(nodes)], a_policy(ONE), ClusterBehaviour(failures={name: "old-version"})
    )
    story.start()
    story.run(until=lambda: story.steps()[name] is Step.FAILED)
    story.models["east"].stranger.delete_node(name)
    story.send("abort")
    story.run()
    assert story.rollout.ended_at is not None
    later = Start("p-2", NEW, story.policy, tuple(run.goal for run in story.rollout.runs.values()))
    story.engine.add(Rollout("r-2", later, story.now, "ada@desk"))
    story.run(seconds=3600)
    assert not any(run.touched for run in story.engine.rollouts["r-2"].runs.values())
    story.models["east"].stranger.add_node(a_node(name, pool="quarantine"))
    story.run(seconds=3600)
    assert not any(run.touched for run in story.engine.rollouts["r-2"].runs.values())
    story.send("release", f"east/{name}")
    story.turn()
    assert any(run.touched for run in story.engine.rollouts["r-2"].runs.values())


def test_limit_of_zero_needs_action() -> None:
    """Nothing is out that could come back."""
    policy = a_policy(a_pool(limits=Limits(max_unavailable=Amount(0)), canaries=0))
    cluster = a_snapshot([a_node("n-0"), a_node("n-1")])
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], NEW, START, DurationEstimates()))
    found = [each.held for each in plan.held if each.held is not None]
    assert {each.reason for each in found} == {Reason.POOL_LIMIT} and len(found) == 2
    assert all("raise it" in each.remedy and "uncordon" not in each.remedy for each in found)
