"""Persons' words reach rollouts at any time, also when they do not fit."""

from __future__ import annotations

from fleet.core.rollout import State
from fleet.core.steps import Step
from tests.builders import a_node, a_policy, a_snapshot
from tests.story import Story


def three_nodes() -> Story:
    story = Story([a_snapshot([a_node(f"n-{index}") for index in range(3)])], a_policy())
    story.start()
    return story


def test_a_release_of_a_run_that_goes_on_does_not_take_its_slot_or_its_marks() -> None:
    story = three_nodes()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    working = next(name for name, step in story.steps().items() if step is Step.REBOOT)
    waiting = next(name for name, step in story.steps().items() if step in (Step.PENDING, Step.STAGED))
    before = len(story.performed)
    story.say("release", f"east/{working}")
    story.say("release", f"east/{waiting}")
    story.turn()
    assert story.run_of(working).slot
    asked = {type(action).__name__ for _, action, _ in story.performed[before:]}
    assert not asked & {"Unmark", "Uncordon", "Clear"}
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_a_word_after_the_end_changes_nothing() -> None:
    story = three_nodes()
    story.run()
    for word in ("pause", "resume", "abort"):
        story.say(word)
        assert story.rollout.state is State.FINISHED
