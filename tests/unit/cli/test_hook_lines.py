"""The page of a rollout shows the hooks for which the whole rollout or a stage waits."""

from __future__ import annotations

from fleet.cli.views.rollout_page.gates import hook_lines
from fleet.core.policy.hooks.hook import CommandHook, Hooks
from fleet.core.rollout.hooks.hook_state import HookResult
from tests.simulated_rollout import SimulatedRollout
from tests.unit.core.test_hooks import a_story

OPEN = CommandHook(name="open", command=("open",))


def lines(story: SimulatedRollout) -> list[str]:
    return [line.plain.strip() for line in hook_lines(story.rollout)]


def test_running_hook_has_a_line_and_one_that_has_passed_has_none() -> None:
    story = a_story(rollout=Hooks((OPEN,), ()))
    story.hooks["open"] = [(100.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    (line,) = lines(story)
    assert "open before the rollout" in line and "runs since" in line
    story.run()
    assert lines(story) == []


def test_hook_whose_outcome_nobody_knows_has_its_remedy() -> None:
    story = a_story(rollout=Hooks((OPEN,), ()))
    story.hooks["open"] = [(100.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.kill()
    story.run()
    line, remedy = lines(story)
    assert "open" in line and "fleet rollout hook r-1 open" in remedy


def test_hooks_of_nodes_have_no_line_here() -> None:
    story = a_story(Hooks((OPEN,)), names=["e-0"])
    story.hooks["open"] = [(100.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    assert lines(story) == []
