"""Nodes that go away while they are worked on, and machines that come back as another Node object."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.objects import identity
from fleet.core.objects.machine import Units
from fleet.core.objects.node import Node, NodeRef
from fleet.core.policy.policy import Amount, Limits
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Evict, Reboot, Result
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import NEW, a_deployment, a_machine, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout

POOL = a_pool(limits=Limits(Amount(1)), failure_limit=1)
FIRST = NodeRef("east", "n-0")


def a_story(
    *steps: Step, units: Units | None = None, behaviour: ClusterBehaviour | None = None
) -> SimulatedRollout:
    """Three nodes; the first one is the canary, and has come to the step."""
    nodes = [a_node(f"n-{index}") for index in range(3)]
    machines = [replace(a_machine(node), units=units) for node in nodes]
    snapshot = a_snapshot(nodes, a_deployment("shop", 6, nodes), machines=machines)
    story = SimulatedRollout([snapshot], a_policy(POOL), behaviour or ClusterBehaviour(reboot=90.0))
    story.start(canaries=["n-0"])
    for step in steps:
        story.run(until=lambda step=step: story.steps()["n-0"] is step)  # type: ignore[misc]
        assert story.steps()["n-0"] is step
    return story


def down(story: SimulatedRollout) -> None:
    """Until the machine is really down for its reboot."""
    story.run(until=lambda: any(isinstance(each, Reboot) for _, each, _ in story.performed))
    story.run(seconds=10)


def rest_is_done(story: SimulatedRollout) -> bool:
    return {story.steps()[name] for name in ("n-1", "n-2")} == {Step.DONE}


def decisions(story: SimulatedRollout, kind: str) -> list[str]:
    return [each.record.node for each in story.entries if each.record.kind == kind]


def test_node_that_registers_again_during_its_reboot_is_proven_by_its_machine() -> None:
    story = a_story(Step.REBOOT)
    down(story)
    story.models["east"].stranger.forget_node("n-0")
    story.turn()
    (held,) = story.engine.why(FIRST, story.now)
    assert held.reason is Reason.NODE_ABSENT and not held.needs_action
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.DONE and run.proof["version"] == NEW.version
    assert run.goal.uid != "uid-n-0" and decisions(story, "re-registered") == ["east/n-0"]
    assert rest_is_done(story) and story.rollout.state is RolloutState.FINISHED
    reboots = [
        each for _, each, result in story.performed if isinstance(each, Reboot) and result is Result.DONE
    ]
    assert [each.node.name for each in reboots].count("n-0") == 1


def test_units_that_failed_before_the_reboot_are_known_without_the_machine_object() -> None:
    story = a_story(Step.REBOOT, units=Units("degraded", ("smartd.service",)))
    down(story)
    story.models["east"].stranger.forget_node("n-0")
    story.run()
    assert story.steps()["n-0"] is Step.DONE


def test_node_missing_after_the_reboot_timeout_is_cancelled_without_a_halt() -> None:
    story = a_story(Step.REBOOT, behaviour=ClusterBehaviour(reboot=1e6))
    down(story)
    begun = story.at
    story.models["east"].stranger.delete_node("n-0")
    story.run(until=lambda: story.steps()["n-0"] is Step.CANCELLED)
    assert POOL.reboot.timeout_seconds - 1 < story.at - begun < POOL.reboot.timeout_seconds + 60
    run = story.run_of("n-0")
    assert not run.slot and "in step reboot" in run.why
    assert story.rollout.failures == 0 and story.rollout.state is RolloutState.RUNNING


@pytest.mark.parametrize("step", [Step.CORDON, Step.DRAIN])
def test_node_deleted_before_its_reboot_is_cancelled_at_once(
    step: Step,
) -> None:
    story = a_story(step)
    story.models["east"].stranger.delete_node("n-0")
    story.turn()
    run = story.run_of("n-0")
    assert run.step is Step.CANCELLED and not run.slot and f"in step {step}" in run.why
    story.run()
    assert story.rollout.state is RolloutState.FINISHED and rest_is_done(story)
    assert decisions(story, "canary") and not decisions(story, "halt")


@pytest.mark.parametrize("step", [Step.VERIFY, Step.SOAK])
def test_node_deleted_after_its_reboot_is_cancelled_after_the_timeout(step: Step) -> None:
    pool = a_pool(limits=Limits(Amount(1)), failure_limit=1, soak_seconds=60)
    nodes = [a_node(f"n-{index}") for index in range(3)]
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(pool))
    story.start(canaries=["n-0"])
    story.run(until=lambda: story.steps()["n-0"] is step)
    story.models["east"].stranger.delete_node("n-0")
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.CANCELLED and not run.slot and f"in step {step}" in run.why
    assert story.rollout.state is RolloutState.FINISHED and rest_is_done(story)


def test_same_machine_under_another_node_name_is_reported(golden: GoldenFiles) -> None:
    story = a_story(Step.REBOOT, behaviour=ClusterBehaviour(reboot=1e6))
    down(story)
    story.models["east"].stranger.delete_node("n-0")
    story.models["east"].stranger.add_node(a_node("ip-10-0-0-7", pool="others", machine_id="machine-n-0"))
    story.run(until=lambda: story.steps()["n-0"] is Step.CANCELLED)
    golden.check(story.run_of("n-0").why)


def test_another_machine_under_the_name_of_a_rebooting_node_is_left_alone_and_reported() -> None:
    story = a_story(Step.REBOOT)
    down(story)
    other = a_node("n-0", uid="uid-other", machine_id="machine-other", boot_id="boot-other")
    before = len(story.performed)
    story.models["east"].stranger.add_node(other, a_machine(other, NEW))
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.CANCELLED and "another machine" in run.why and "step reboot" in run.why
    assert not any(each.uid == "uid-other" for _, each, _ in story.performed[before:])
    assert rest_is_done(story) and not decisions(story, "halt")


def test_machine_that_registers_again_before_its_reboot_is_drained_again_and_rebooted_once() -> None:
    """Its kubelet was restarted; our cordon and our request went with the old objects."""
    story = a_story(Step.REBOOT)
    model = story.models["east"]
    model.stranger.forget_node("n-0")
    model.stranger.register("n-0", "uid-anew")
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.DONE and run.goal.uid == "uid-anew"
    assert rest_is_done(story)
    after = [each.uid for _, each, _ in story.performed if isinstance(each, Evict) and each.node == FIRST]
    assert set(after) <= {"uid-n-0", "uid-anew"}
    for node in model.snapshot(story.now).nodes:
        assert node.available and not node.annotations and not node.taints


def test_node_recreated_by_a_cloud_while_it_soaks_changes_nothing() -> None:
    pool = a_pool(limits=Limits(Amount(1)), soak_seconds=300)
    nodes = [a_node(f"n-{index}") for index in range(2)]
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(pool))
    story.start(canaries=["n-0"])
    story.run(until=lambda: story.steps()["n-0"] is Step.SOAK)
    model = story.models["east"]
    model.stranger.forget_node("n-0")
    story.run(seconds=30)
    model.stranger.register("n-0", "uid-anew")
    story.run()
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE}


def test_controller_killed_while_the_node_is_absent_continues_with_the_new_node() -> None:
    story = a_story(Step.REBOOT)
    down(story)
    story.models["east"].stranger.forget_node("n-0")
    story.turn()
    story.kill()
    story.run(until=lambda: bool(decisions(story, "re-registered")))
    story.kill()
    replayed = rollouts_of(story.entries)["r-1"]
    assert restore_checkpoint(take_checkpoint(replayed)).runs == replayed.runs
    assert replayed.runs[FIRST].goal.uid != "uid-n-0" and replayed.runs[FIRST].identity
    story.run()
    assert {run.step for run in rollouts_of(story.entries)["r-1"].runs.values()} == {Step.DONE}


def test_failed_run_that_gives_its_node_back_stays_failed_when_the_node_is_deleted() -> None:
    story = a_story(Step.REBOOT, behaviour=ClusterBehaviour(failures={"n-0": "old-version"}))
    story.run(until=lambda: story.steps()["n-0"] is Step.FAILED)
    story.models["east"].stranger.delete_node("n-0")
    story.run(seconds=3600)
    assert story.run_of("n-0").slot and story.rollout.state is RolloutState.HALTED


UUID = "4c4c4544-0051-3010-8052-b4c04f4e3332"
SWAPPED = "44454c4c-5100-1030-8052-b4c04f4e3332"


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (("m-1", "", ""), {"machine_id": "m-1"}, True),
        (("m-1", "", ""), {"machine_id": "m-2"}, False),
        (("", "", ""), {"machine_id": ""}, False),
        ((), {"machine_id": "m-1"}, False),
        # An image that makes a machine id at each boot.
        (("m-1", UUID, ""), {"machine_id": "m-2", "system_uuid": UUID.upper()}, True),
        # Images that were copied with their machine id.
        (("m-1", UUID, ""), {"machine_id": "m-1", "system_uuid": "0" + UUID[1:]}, False),
        # Firmware whose UUID is printed in the other byte order.
        (("", UUID, ""), {"system_uuid": SWAPPED}, True),
        (("", "", "aws:///a/i-1"), {"provider_id": "aws:///a/i-1"}, True),
        (("m-1", "", "aws:///a/i-1"), {"machine_id": "m-1", "provider_id": "aws:///a/i-2"}, False),
        # The cloud's controller has not set it yet.
        (("m-1", "", "aws:///a/i-1"), {"machine_id": "m-1"}, True),
        (("", UUID, "aws:///a/i-1"), {"system_uuid": UUID, "provider_id": "aws:///a/i-2"}, False),
    ],
)
def test_machine_is_identified_by_what_both_sides_report(
    before: tuple[str, ...], now: dict[str, str], same: bool
) -> None:
    assert identity.same(before, Node("n", "uid", **now)) is same  # type: ignore[arg-type]
