"""Commands of users reach rollouts at any time, also when they do not fit."""

from __future__ import annotations

import pytest

from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout


def three_nodes() -> SimulatedRollout:
    story = SimulatedRollout([a_snapshot([a_node(f"n-{index}") for index in range(3)])], a_policy())
    story.start()
    return story


def test_release_of_a_running_node_keeps_its_slot_and_marks() -> None:
    story = three_nodes()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    working = next(name for name, step in story.steps().items() if step is Step.REBOOT)
    waiting = next(name for name, step in story.steps().items() if step in (Step.PENDING, Step.STAGED))
    before = len(story.performed)
    story.send("release", f"east/{working}")
    story.send("release", f"east/{waiting}")
    story.turn()
    assert story.run_of(working).slot
    asked = {type(action).__name__ for _, action, _ in story.performed[before:]}
    assert not asked & {"Unmark", "Uncordon", "Clear"}
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_command_after_the_end_changes_nothing() -> None:
    story = three_nodes()
    story.run()
    for word in ("pause", "resume", "abort"):
        story.send(word)
        assert story.rollout.state is RolloutState.FINISHED


@pytest.mark.parametrize("kind", ["stage", "cordon", "reboot"])
def test_pause_stops_pending_actions_and_their_timeout(kind: str) -> None:
    broken = True

    def perform(action: AnyAction, at: float) -> Outcome:
        if broken and action.kind == kind:
            return Outcome(action, Result.UNKNOWN, "timed out")
        return story.really(action, at)

    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(), perform=perform)
    story.start()
    story.run(until=lambda: any(action.kind == kind for _, action, _ in story.performed))
    story.send("pause")
    before = len(story.performed)
    story.run(seconds=7200)
    assert not any(action.kind == kind for _, action, _ in story.performed[before:])
    broken = False
    story.send("resume")
    story.run()
    assert story.steps() == {"n-0": Step.DONE}


def test_node_released_after_the_end_is_cleaned_up_by_the_next_controller_too() -> None:
    nodes = [a_node("n-0"), a_node("n-1")]
    failing = ClusterBehaviour(failures={"n-0": "old-version"})
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(a_pool(failure_limit=2)), failing)
    story.start()
    story.run()
    assert story.rollout.ended_at is not None
    assert story.models["east"].snapshot(story.now).nodes[0].cordoned_by == "r-1"
    story.send("release", "east/n-0")
    story.kill()
    story.run()
    node = story.models["east"].snapshot(story.now).nodes[0]
    assert node.available and not node.annotations
    story.kill()
    assert not story.engine.rollouts
