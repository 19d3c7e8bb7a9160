"""The report of a rollout, from nothing but its journal."""

from __future__ import annotations

from datetime import time, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.cli.report import answer
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import Estimate
from fleet.core.planning.plan import Plan, PlannedHold, PlannedRun
from fleet.core.policy.times.window import Window
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.report import PlannedSpan, Report, ReportRun, Verdict, VerificationProof
from fleet.core.reporting.reporter import make_report
from fleet.core.reporting.step_durations import nearest
from fleet.core.rollout.action import Result
from fleet.core.rollout.steps import StepResult
from fleet.core.text.durations import format_duration
from fleet.lab.simulation.builders import NEW, OLD, START, a_policy, a_pool
from tests.golden import GoldenFiles
from tests.unit.report.journal_builder import ADA, CONTROLLER, JournalBuilder, a_goal

GOOD = Verdict(True, 99)


def report_of(journal: JournalBuilder, **more: object) -> Report:
    now = START + timedelta(seconds=journal.ago)
    return make_report("r-1", journal.entries, now, GOOD, **more)  # type: ignore[arg-type]


def run_of(report: Report, node: str) -> ReportRun:
    return next(run for run in report.runs if run.node == node)


def a_plan(*runs: PlannedRun, **changes: object) -> Plan:
    facts: dict[str, object] = {
        "makespan_seconds": 200.0,
        "lower_bound_seconds": 180.0,
        "bound_by": "pool workers",
        "evictions": 2,
        "pods": 2,
        "peak_unavailable": 1,
    }
    made = facts | changes
    return Plan("p-1", NEW, a_policy(), START - timedelta(hours=1), runs=runs, **made)  # type: ignore[arg-type]


def test_finished_rollout_reports_who_when_what_and_both_releases() -> None:
    journal = JournalBuilder(a_goal("n-1", canary=True)).wait(5).upgrade("n-1").wait(1).decide("finish")
    report = report_of(journal)
    assert (report.state, report.by, report.plan, report.started) == ("finished", ADA, "p-1", START)
    assert report.ended == START + timedelta(seconds=204) and report.seconds == 204
    assert (report.target, report.from_versions, report.clusters) == (NEW, {OLD.version: 1}, ("east",))
    run = run_of(report, "n-1")
    assert (run.from_version, run.from_kernel) == (OLD.version, OLD.kernel)
    assert (run.to_version, run.to_kernel) == (NEW.version, NEW.kernel)
    assert (run.ending, run.canary, run.pool, run.site, run.zone) == ("done", True, "workers", "fra", "a")


def test_steps_follow_without_a_gap_and_a_run_takes_from_cordon_to_done() -> None:
    run = run_of(
        report_of(JournalBuilder(a_goal("n-1")).wait(5).upgrade("n-1", stage=60, drain=40, reboot=64)), "n-1"
    )
    assert [(taken.step, taken.seconds) for taken in run.steps] == [
        ("pending", 5),
        ("stage", 60),
        ("staged", 0),
        ("cordon", 1),
        ("drain", 40),
        ("reboot", 64),
        ("verify", 2),
        ("uncordon", 1),
        ("soak", 30),
    ]
    assert all(left.end == right.start for left, right in zip(run.steps, run.steps[1:], strict=False))
    assert (run.begun, run.seconds) == (START + timedelta(seconds=65), 138)


def test_every_done_node_has_its_proof() -> None:
    run = run_of(report_of(JournalBuilder(a_goal("n-1")).upgrade("n-1")), "n-1")
    assert run.proof == VerificationProof(
        "boot-n-1", "boot-n-1-2", NEW.version, NEW.digest, NEW.kernel, "True"
    )


def test_node_that_already_ran_the_release_is_done_but_not_proven() -> None:
    journal = (
        JournalBuilder(a_goal("n-1"), a_goal("n-2"))
        .turn("n-1", StepResult.DONE, why="booted already")
        .upgrade("n-2")
    )
    report = report_of(journal)
    assert (report.counts.done, report.counts.proven) == (2, 1)
    assert (run_of(report, "n-1").begun, run_of(report, "n-1").why) == (None, "booted already")


def test_failed_run_has_its_reason_and_keeps_its_slot_until_a_user_releases_it() -> None:
    journal = JournalBuilder(a_goal("n-1"), a_goal("n-2")).begin("n-1").turn("n-1", StepResult.DONE).wait(9)
    journal.turn("n-1", StepResult.DONE, boot_id="boot-n-1").wait(900).turn(
        "n-1", StepResult.FAILED, why="not back"
    )
    journal.decide("halt", why="1 of 1 failed")
    before = report_of(journal)
    assert (before.state, before.why, before.counts.failed, before.counts.unreleased) == (
        "halted",
        "1 of 1 failed",
        1,
        1,
    )
    assert (run_of(before, "n-1").why, run_of(before, "n-1").slot) == ("not back", True)
    assert [halt.why for halt in before.halts] == ["1 of 1 failed"]
    after = report_of(journal.wait(60).send("release", "n-1", by="bob@desk"))
    assert after.counts.unreleased == 0
    assert run_of(after, "n-1").released == START + timedelta(seconds=journal.ago)


def test_commands_of_users_are_reported_with_name_and_time() -> None:
    journal = (
        JournalBuilder(a_goal("n-1")).wait(10).send("pause", by="bob@desk").wait(50).send("resume").wait(5)
    )
    journal.send("abort").turn("n-1", StepResult.CANCELLED, why="aborted by ada@desk").decide("finish")
    report = report_of(journal)
    reported = [(each.kind, each.by, (each.at - START).total_seconds()) for each in report.commands]
    assert reported == [("start", ADA, 0), ("pause", "bob@desk", 10), ("resume", ADA, 60), ("abort", ADA, 65)]
    assert (report.state, report.counts.cancelled, run_of(report, "n-1").begun) == ("aborted", 1, None)
    assert report.ended is not None


def test_eviction_has_its_time_its_outcome_and_the_number_of_refusals() -> None:
    journal = JournalBuilder(a_goal("n-1")).begin("n-1").turn("n-1", StepResult.DONE)
    asked = START + timedelta(seconds=journal.ago)
    journal.evict("n-1", "db-0", Result.REFUSED, Result.REFUSED, Result.DONE, message="budget web/db")
    journal.evict("n-1", "api-1", Result.GONE)
    report = report_of(journal)
    database, api = run_of(report, "n-1").evictions
    assert (database.pod, database.asked_at, database.result, database.refusals) == (
        "web/db-0",
        asked,
        "done",
        2,
    )
    assert database.answered_at == asked + timedelta(seconds=2.5)
    assert database.detail == "budget web/db"
    assert (api.result, api.refusals) == ("gone", 0)
    assert (report.counts.evictions, report.counts.refusals) == (1, 2)


def test_retries_of_staging_are_reported() -> None:
    journal = (
        JournalBuilder(a_goal("n-1"))
        .turn("n-1", StepResult.BEGIN)
        .wait(9)
        .decide("retry", "n-1", why="no space")
    )
    assert [each.why for each in run_of(report_of(journal), "n-1").retries] == ["no space"]


def test_peak_counts_slots_and_a_failed_run_until_it_is_released() -> None:
    journal = JournalBuilder(*(a_goal(f"n-{number}") for number in (1, 2, 3)))
    journal.begin("n-1").turn("n-1", StepResult.FAILED, why="cordon refused").turn("n-1", StepResult.DONE)
    assert report_of(journal).peak == 1
    journal.begin("n-2")
    peak_at = START + timedelta(seconds=journal.ago)
    assert (report_of(journal).peak, report_of(journal).peak_at) == (2, peak_at)
    journal.send("release", "n-1").begin("n-3")
    assert (report_of(journal).peak, report_of(journal).pools[0].peak) == (2, 2)


def test_run_that_returned_its_slot_has_not_begun() -> None:
    journal = JournalBuilder(a_goal("n-1")).begin("n-1").wait(3).turn("n-1", StepResult.BACK)
    run = run_of(report_of(journal), "n-1")
    assert (run.begun, run.slot, run.ending, run.step) == (None, False, "waiting", "staged")


def test_durations_are_those_of_successful_steps() -> None:
    journal = JournalBuilder(*(a_goal(f"n-{number}") for number in range(4)))
    for number, drain in enumerate((10, 20, 30)):
        journal.upgrade(f"n-{number}", drain=drain)
    journal.begin("n-3").turn("n-3", StepResult.DONE).wait(3600).turn(
        "n-3", StepResult.FAILED, why="not drained"
    )
    reported = {each.step: each for each in report_of(journal).durations}
    drains = reported["drain"]
    assert (drains.count, drains.median_seconds, drains.p95_seconds, drains.max_seconds) == (3, 20, 30, 30)
    assert reported["stage"].count == 4
    assert (reported["run"].count, reported["run"].median_seconds) == (3, 118)
    assert list(reported)[-1] == "run"


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    ranked = sorted(values)
    found = nearest(ranked, share)
    assert sum(value <= found for value in ranked) >= share * len(ranked) - 1e-9
    assert sum(value < found for value in ranked) < share * len(ranked)


def test_plan_is_compared_with_the_outcome() -> None:
    planned = PlannedRun("n-1", "workers", NEW.version, 60.0, 200.0, cluster="east")
    journal = JournalBuilder(a_goal("n-1")).upgrade("n-1").wait(2)
    against = report_of(journal, plan=a_plan(planned)).against
    assert against is not None
    assert (against.planned_seconds, against.seconds, against.bound_by) == (200, 198, "pool workers")
    assert against.planned_end == START + timedelta(seconds=200)
    assert (against.planned_evictions, against.evictions, against.planned_peak, against.peak) == (2, 0, 1, 1)
    run = run_of(report_of(journal, plan=a_plan(planned)), "n-1")
    assert run.planned == PlannedSpan(START + timedelta(seconds=60), START + timedelta(seconds=200))


def test_eta_follows_the_pace_and_ends_as_the_actual_end() -> None:
    ends = (200.0, 400.0, 600.0, 800.0, 1000.0)
    plan = a_plan(
        *(
            PlannedRun(f"n-{n}", "workers", NEW.version, 60.0, end, cluster="east")
            for n, end in enumerate(ends)
        )
    )
    journal = JournalBuilder(*(a_goal(f"n-{number}") for number in range(5)))
    for number in range(3):
        journal.upgrade(f"n-{number}", drain=1000)
    journal.begin("n-3")
    etas = []
    for _ in range(2):
        against = report_of(journal, plan=plan).against
        assert against is not None and against.eta is not None
        assert against.eta > against.planned_end, "each run took longer than planned"
        etas.append(against.eta)
        journal.wait(3600)
    assert etas[0] < etas[1]


def test_aborted_rollout_has_no_duration_to_compare_with_the_plan(golden: GoldenFiles) -> None:
    planned = (PlannedRun(f"n-{n}", "workers", NEW.version, 0.0, 200.0, cluster="east") for n in (1, 2))
    journal = JournalBuilder(a_goal("n-1"), a_goal("n-2")).upgrade("n-1").send("abort")
    journal.turn("n-2", StepResult.CANCELLED, why="aborted").wait(3600).decide("finish")
    report = report_of(journal, plan=a_plan(*planned))
    assert report.against is not None and report.against.seconds is None
    golden.check(answer.took(report))


@pytest.mark.parametrize("expected", [90.0, 600.0])
def test_bound_holds_for_the_durations_that_it_assumed(expected: float) -> None:
    planned = PlannedRun("n-1", "workers", NEW.version, 60.0, 200.0, cluster="east")
    durations = (
        Estimate("reboot", expected, expected * 2, 0, "workers"),
        Estimate("verify", 1.0, 2.0, 0, "workers"),
    )
    plan = a_plan(planned, durations=durations, lower_bound_seconds=expected * 2)
    against = report_of(JournalBuilder(a_goal("n-1")).upgrade("n-1"), plan=plan).against
    assert against is not None and against.durations == durations and against.seconds == 198
    reported = answer.bound(against)
    assert f"reboot {format_duration(expected)}" in reported and "verify" not in reported
    assert ("it took less" in reported) == (expected * 2 > 198)


def test_plan_has_no_actual_end_while_runs_continue() -> None:
    against = report_of(JournalBuilder(a_goal("n-1")).begin("n-1"), plan=a_plan()).against
    assert against is not None and against.seconds is None


def test_held_node_shows_the_plans_reason_until_there_is_a_newer_one() -> None:
    journal = JournalBuilder(a_goal("n-1"), a_goal("n-2"))
    hold = PlannedHold("n-1", "unmanaged", "pod ops/debug has no controller", "east", "delete it")
    report = report_of(journal, plan=a_plan(held=(hold,)))
    assert [(each.node, each.message) for each in report.held] == [("n-1", "pod ops/debug has no controller")]
    now = {NodeRef("east", "n-1"): (Held(Reason.FOREIGN_CORDON, "n-1"),)}
    report = report_of(journal, plan=a_plan(held=(hold,)), held=now)
    assert [(each.node, each.reason) for each in report.held] == [("n-1", "foreign-cordon")]
    assert run_of(report, "n-1").held == (Held(Reason.FOREIGN_CORDON, "n-1").message,)
    passing = {NodeRef("east", "n-1"): (Held(Reason.POOL_LIMIT, "workers", {"out": 2, "limit": 2}),)}
    assert report_of(journal, plan=a_plan(held=(hold,)), held=passing).held == ()


def test_windows_are_reported_where_runs_could_not_always_start() -> None:
    window = Window((0,), time(8, 0), time(9, 30))
    journal = JournalBuilder(a_goal("n-1"), policy=a_policy(a_pool(windows=(window,)))).wait(3600)
    pool = report_of(journal).pools[0]
    assert pool.windows == (PlannedSpan(START, START + timedelta(minutes=30)),) and not pool.always_open
    always = report_of(JournalBuilder(a_goal("n-1")).wait(3600)).pools[0]
    assert (always.windows, always.always_open, always.limit) == ((), True, "2")


def test_entries_of_the_journal_and_their_verification_are_reported() -> None:
    journal = JournalBuilder(a_goal("n-1")).upgrade("n-1").decide("finish")
    other = replace(journal.entries[-1], record=JournalRecord("decision", "finish", "r-2"), seq=99)
    report = make_report("r-1", [other, *journal.entries, other], START, GOOD)
    first, last = journal.entries[0], journal.entries[-1]
    assert (report.journal.first_seq, report.journal.first_hash) == (1, first.hash)
    assert (report.journal.last_seq, report.journal.last_hash) == (last.seq, last.hash)
    assert (report.journal.entries, report.journal.verdict) == (len(journal.entries), GOOD)
    assert report.entries == tuple(journal.entries)


def test_takeover_is_visible_in_who_carried_it_out() -> None:
    journal = JournalBuilder(a_goal("n-1"), a_goal("n-2")).upgrade("n-1").wait(30)
    journal.controller, journal.epoch = "fleet@ops-2/1/2", 2
    reported = [(each.actor, each.epoch) for each in report_of(journal.upgrade("n-2")).controllers]
    assert reported == [(CONTROLLER, 1), ("fleet@ops-2/1/2", 2)]


def test_unknown_rollout_is_an_error() -> None:
    with pytest.raises(LookupError, match="r-2"):
        make_report("r-2", JournalBuilder(a_goal("n-1")).entries, START, GOOD)


def test_report_is_the_same_after_json() -> None:
    journal = JournalBuilder(a_goal("n-1"), a_goal("n-2")).upgrade("n-1").begin("n-2")
    report = report_of(journal, plan=a_plan())
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
