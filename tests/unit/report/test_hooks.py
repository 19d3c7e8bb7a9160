"""A report shows the hooks of its rollout, with what became of them."""

from __future__ import annotations

import msgspec

from fleet.cli.report.page import page
from fleet.cli.report.text import text
from fleet.core.policy.hooks.hook import CommandHook, Hooks
from fleet.core.reporting.report import Report, Verdict
from fleet.core.reporting.reporter import make_report
from fleet.core.rollout.hooks.hook_state import HookResult
from tests.simulated_rollout import SimulatedRollout
from tests.unit.core.test_hooks import a_story

SMOKE = CommandHook(name="smoke", command=("smoke",), attempts=2)
OPEN = CommandHook(name="open", command=("open",))


def a_report(story: SimulatedRollout) -> Report:
    story.run()
    return make_report("r-1", story.entries, story.now, Verdict(True))


def with_hooks() -> SimulatedRollout:
    story = a_story(Hooks((), (SMOKE,)), Hooks((OPEN,), ()), names=["e-0"])
    story.hooks["smoke"] = [(4.0, HookResult.FAILED), (9.0, HookResult.PASSED)]
    story.outputs["smoke"] = "no \x1b[31m<b>answer</b>\ncode 7"
    return story


def test_report_has_every_attempt_with_its_result_and_output() -> None:
    report = a_report(with_hooks())
    (opened,), (run,) = report.hooks or (), report.runs
    assert (opened.hook, opened.moment, opened.result) == ("open", "before_rollout", "passed")
    first, second = run.hooks or ()
    assert (first.result, first.attempt, first.seconds) == ("failed", 1, 4.0)
    assert (second.result, second.attempt, second.seconds) == ("passed", 2, 9.0)
    assert first.output.endswith("code 7")


def test_text_names_the_hooks_and_shows_the_output_of_those_that_failed() -> None:
    printed = text(a_report(with_hooks()))
    assert "open before the rollout passed" in printed
    assert "smoke after the node failed in 4s" in printed and "code 7" in printed
    assert "\x1b" not in printed


def test_page_shows_the_output_as_text() -> None:
    shown = page(a_report(with_hooks()))
    assert "smoke after the node, attempt 2 passed" in shown
    assert "&lt;b&gt;answer&lt;/b&gt;" in shown and "<b>answer</b>" not in shown and "\x1b" not in shown


def test_report_without_hooks_is_written_as_before() -> None:
    report = a_report(a_story(names=["e-0"]))
    assert b'"hooks"' not in msgspec.json.encode(report)
    assert "Hooks" not in text(report)
