"""The report in a terminal."""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleet.cli.report.answer import took
from fleet.cli.report.page import page
from fleet.cli.report.text import text
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.identity import Identity
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.report import Verdict
from fleet.core.reporting.reporter import make_report
from fleet.core.rollout.action import Result
from fleet.core.rollout.goal import GivenApproval, StartApproval
from fleet.core.rollout.steps import StepResult
from fleet.lab.simulation.builders import START
from tests.golden import GoldenFiles
from tests.unit.report.journal_builder import JournalBuilder, a_goal
from tests.unit.report.scenes import a_scene, later, nightly


def test_report_of_a_complete_rollout(golden: GoldenFiles) -> None:
    golden.check(text(a_scene()))


def test_report_of_a_rollout_with_a_failed_node(golden: GoldenFiles) -> None:
    golden.check(text(a_scene(failures={"n-0009": "old-version"})))


def test_no_line_is_longer_than_80_columns() -> None:
    stuck = {"n-0009": "stage-fails", "n-0002": "never-back"}
    for report in (
        a_scene(failures=stuck),  # type: ignore[arg-type]
        a_scene(windows=nightly()),
        a_scene(nodes=30, stop_after=600),
    ):
        long = [line for line in text(report).splitlines() if len(line) > 80]
        assert not long


def test_every_node_has_its_line_with_its_proof() -> None:
    report = a_scene()
    lines = text(report).splitlines()
    for run in report.runs:
        assert run.proof is not None
        (line,) = [line for line in lines if line.startswith((f"{run.node} ", f"{run.node}*"))]
        assert f"{run.proof.boot_id_before[:7]} -> {run.proof.boot_id_after[:7]}" in line
        assert run.proof.kernel in line


def test_previous_versions_are_shown_where_they_differ() -> None:
    other = replace(a_goal("n-2"), from_version="43.1")
    report = make_report("r-1", JournalBuilder(a_goal("n-1"), other).entries, START, Verdict(True, 1))
    assert "43.1 -> 44.20261101.3.0" in text(report)


def test_running_rollout_shows_how_long_it_has_run() -> None:
    report = a_scene(stop_after=300)
    assert f"so far, planned {text(report).split('so far, planned ')[1]}" in text(report)
    assert "r-1, running" in text(report)
    assert text(later(report, 60)) == text(report), "the age is as of the report, not of its printing"


def test_difference_to_the_plan_is_that_of_the_shown_figures() -> None:
    report = a_scene()
    assert report.against is not None
    reported = took(replace(report, seconds=report.against.planned_seconds + 303.0))
    assert reported.endswith(", 5m 3s longer than planned"), (
        "tidying after the last run is in both figures, or in none"
    )


def test_report_of_a_broken_and_of_an_unchecked_journal(golden: GoldenFiles) -> None:
    entries = JournalBuilder(a_goal("n-1")).upgrade("n-1").entries
    changed = Verdict(False, 9, "entry 7 was changed")
    golden.check(text(make_report("r-1", entries, START, changed)), "changed")
    golden.check(text(make_report("r-1", entries, START, Verdict())), "not-checked")


def test_report_of_a_paused_rollout(golden: GoldenFiles) -> None:
    journal_builder = JournalBuilder(a_goal("n-1")).wait(75).send("pause", by="bob@desk")
    golden.check(text(make_report("r-1", journal_builder.entries, START, Verdict())))


def test_refused_evictions_are_counted(golden: GoldenFiles) -> None:
    journal_builder = JournalBuilder(a_goal("n-1")).begin("n-1").turn("n-1", StepResult.DONE)
    journal_builder.evict("n-1", "db-0", Result.REFUSED, Result.DONE, message="no")
    golden.check(text(make_report("r-1", journal_builder.entries, START, Verdict())))


def test_text_of_a_machine_begins_no_line_of_its_own() -> None:
    """The kernel is what the kubelet reports, and the end of a drain may quote any webhook."""
    scene = a_scene()
    run = scene.runs[0]
    assert run.proof is not None
    forged = "6.12.9\nn-0099  09:00:00  1m  3  done  6.12.9"
    runs = (replace(run, proof=replace(run.proof, kernel=forged)), *scene.runs[1:])
    entry = replace(
        scene.entries[1],
        record=JournalRecord(
            "outcome", "drain", "r-1", "east/n-1", {"id": "1", "result": "done", "detail": forged}
        ),
    )
    odd = replace(scene, runs=runs, entries=(entry,))
    # In a page line feeds count in what is preformatted.
    (journal,) = re.findall("<pre>.*?</pre>", page(odd), re.DOTALL)
    for printed in (text(odd), journal):
        assert "6.12.9\\nn-0099" in printed
        assert not [line for line in printed.splitlines() if line.startswith("n-0099")]


APPROVAL = StartApproval(
    "ada",
    f"e-{'7' * 64}",
    1,
    (
        GivenApproval(
            Identity("eve", "token", "key 1, token 2"), START, "p-1", "3:ab", "the change board agrees"
        ),
    ),
)


def test_report_of_an_approved_rollout(golden: GoldenFiles) -> None:
    entries = JournalBuilder(a_goal("n-1"), approval=APPROVAL).upgrade("n-1").entries
    report = make_report("r-1", entries, START, Verdict(True, 9))
    golden.check(text(report))
    assert not [line for line in text(report).splitlines() if len(line) > 80]
    whole = page(report)
    assert all(word in whole for word in (">ada<", "eve (token)", "the change board agrees", APPROVAL.effect))


def test_report_of_a_rollout_that_needed_no_approval() -> None:
    approval = replace(APPROVAL, required=0, given=())
    report = make_report("r-1", JournalBuilder(a_goal("n-1"), approval=approval).entries, START, Verdict())
    assert "no approval was needed" in text(report)


def test_what_holds_the_whole_rollout_is_not_reported_for_each_node() -> None:
    journal = JournalBuilder(a_goal("n-1"), a_goal("n-2"), approval=replace(APPROVAL, given=()))
    journal.decide("halt", why="0 of 1 approvals of its plan are in force")
    for reason in (Reason.NOT_APPROVED, Reason.HALTED):
        held = {NodeRef("east", name): [Held(reason, "r-1")] for name in ("n-1", "n-2")}
        report = make_report("r-1", journal.entries, START, Verdict(), held=held)
        assert report.held == () and report.counts.held == 0
    assert "0 of 1 approvals" in text(report)
