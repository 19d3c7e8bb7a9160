"""The quarter of the demo: its journal and its report are compared with what a reader computes from the entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fleet.app.audit import verification
from fleet.app.reporting.period import report_of_span
from fleet.cli.views.story import WIDTH, StoryText
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.period.deadline import deadline
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.reporting.period.span import quarter
from fleet.simulated.quarter.fleet import BEGIN
from fleet.simulated.quarter.releases import BEFORE_SALE, DEFECTIVE, FIXED, LATE_OCTOBER, OCTOBER
from tests.quarter import Played, played
from tests.questions import PAGE, ROOT, printed, rewritten, shown

END = datetime(2026, 12, 2, tzinfo=UTC)
ZONES = {"fra-1": "Europe/Berlin", "nyc-1": "America/New_York", "sin-1": "Asia/Singapore"}
SALE = (datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC))
"""23 to 30 November in Berlin."""
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played(tmp_path_factory.mktemp("quarter") / "home", END)


@pytest.fixture(scope="module")
def report(story: Played) -> PeriodReport:
    return report_of_span(story.home, quarter("2026Q4"), (), deadline("30", "release"))


def intents(story: Played, kind: str) -> Iterator[JournalEntry]:
    return (each for each in story.entries if each.record.form == "intent" and each.record.kind == kind)


def test_all_times_are_of_the_quarter_and_the_journal_is_intact_and_signed(story: Played) -> None:
    times = [entry.at for entry in story.entries]

    assert times[0] >= BEGIN and times[-1] <= END and times == sorted(times)
    assert story.home.now() == END
    assert verification.wrong(story.home) == []
    assert story.home.store.checkpoints.all()


def test_nothing_begins_or_reboots_in_a_freeze_or_outside_of_the_windows_of_its_site(story: Played) -> None:
    begun = list(intents(story, "cordon"))
    reboots = list(intents(story, "reboot"))

    assert len(reboots) >= 4 * 18
    assert not [each.record.node for each in (*begun, *reboots) if SALE[0] <= each.at < SALE[1]]
    for entry in begun:
        cluster = entry.record.node.partition("/")[0]
        assert 1 <= entry.at.astimezone(ZoneInfo(ZONES[cluster])).hour < 5, entry.record.node
    # The night in which clocks are put back in Berlin.
    night = [
        each for each in reboots if each.record.node.startswith("fra-1/") and f"{each.at:%m-%d}" == "10-25"
    ]
    assert night or [each for each in reboots if f"{each.at:%m-%d}" == "10-24" and each.at.hour == 23]


def test_rollout_that_the_freeze_caught_goes_on_after_it(story: Played) -> None:
    before_sale = [
        (entry.at, entry.record.node)
        for entry in intents(story, "reboot")
        if entry.record.detail["release"]["version"] == BEFORE_SALE.version
    ]

    assert {node.partition("/")[0] for at, node in before_sale if at < SALE[0]} == {"sin-1"}
    assert {node.partition("/")[0] for at, node in before_sale if at >= SALE[1]} == {"fra-1", "nyc-1"}


def test_defective_release_reboots_its_canaries_alone_and_a_fixed_one_follows(
    story: Played, report: PeriodReport
) -> None:
    (bad,) = (each for each in report.rollouts if each.target.version == DEFECTIVE.version)
    (good,) = (
        each for each in report.rollouts if each.target.version == FIXED.version and len(each.runs) == 18
    )
    rebooted = [
        entry.record.node
        for entry in intents(story, "reboot")
        if entry.record.detail["release"]["version"] == DEFECTIVE.version
    ]

    assert bad.state == "aborted" and len(bad.halts) == 1
    assert len(rebooted) == 2 and {node.partition("/")[0] for node in rebooted} == {"sin-1"}
    assert {(each.kind, each.by.partition(" ")[0]) for each in bad.commands} >= {
        ("abort", "ada"),
        ("release", "ada"),
    }
    assert all(each.reason for each in bad.commands if each.kind in ("abort", "release"))
    assert good.started > bad.started and {run.ending for run in good.runs} == {"done"}


def test_standing_policy_says_why_and_control_planes_need_another_user(
    story: Played, report: PeriodReport
) -> None:
    by_policy = [each for each in report.rollouts if each.by == "policy/workers"]
    first, second = (each for each in report.rollouts if each.by.startswith("ada"))
    refusals = [each for each in report.commands if each.kind == "reject"]

    for rollout in by_policy:
        assert isinstance(rollout.target.released, datetime)
        assert rollout.started - rollout.target.released >= 3 * DAY
        assert "upgrade.delay is 3d" in rollout.approvals[0].comment
    assert (first.asked_by, [each.by.name for each in first.approvals]) == ("ada", ["ben"])
    assert (second.asked_by, [each.by.name for each in second.approvals]) == ("ada", ["cleo"])
    assert [(each.by.partition(" ")[0], bool(each.reason)) for each in refusals] == [("ben", True)]
    assert refusals[0].at < first.approvals[0].at
    own = [each for each in story.told if each.entry is None and each.by == "ada" and "refused" in each.text]
    assert len(own) == 1


def test_compliance_is_what_a_reader_computes_from_the_journal(story: Played, report: PeriodReport) -> None:
    releases = {each.version: each for each in (OCTOBER, LATE_OCTOBER, DEFECTIVE, FIXED, BEFORE_SALE)}
    targets: dict[str, str] = {}
    done: dict[str, list[tuple[datetime, str]]] = {}
    for entry in story.entries:
        record = entry.record
        if record.kind == "start":
            targets[record.rollout] = record.detail["release"]["version"]
            for goal in record.detail["goals"]:
                done.setdefault("/".join(goal["node"]), [])
        elif record.kind == "step" and record.detail.get("to") == "done":
            done[record.node].append((entry.at, targets[record.rollout]))

    assert len(done) == 27
    for version, release in releases.items():
        assert isinstance(release.released, datetime)
        met = [min((at for at, to in seen if to >= version), default=None) for seen in done.values()]
        days = [(at - release.released) / DAY for at in met if at is not None]
        (found,) = (each for each in report.compliance.releases if each.version == version)
        due = release.released + 30 * DAY
        assert found.counts.in_time == sum(1 for at in met if at is not None and at <= due)
        assert found.counts.late == sum(1 for at in met if at is not None and at > due)
        assert found.counts.open + found.counts.overdue == met.count(None)
        assert found.max_days == pytest.approx(max(days), abs=0.01)


def test_story_fits_80_columns_and_names_the_turns(story: Played) -> None:
    text = StoryText()
    lines = [line for told in story.told for line in text.lines(told)]

    assert max(len(part) for line in lines for part in line.splitlines()) <= WIDTH
    joined = " ".join(" ".join(lines).split())
    for turn in (
        "by the policy itself",
        "ben refuses plan",
        "ben approves plan",
        "halts itself",
        "ada aborts",
    ):
        assert turn in joined


def test_same_story_is_played_each_time(tmp_path: Path) -> None:
    until = BEGIN + 9 * DAY
    first, second = (played(tmp_path / name, until) for name in ("first", "second"))

    def events(story: Played) -> list[tuple[datetime, str, str, str, str]]:
        return [
            (each.at, each.record.form, each.record.kind, each.record.rollout, each.record.node)
            for each in story.entries
        ]

    assert len(events(first)) > 100
    assert events(first) == events(second)


def test_page_of_questions_shows_what_the_commands_print(
    story: Played,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    text = PAGE.read_text()
    asked = list(shown(text))
    outputs = [printed(question.command, story.home, capsys) for question in asked]
    assert len(asked) >= 12 and all(outputs)
    if request.config.getoption("rewrite_golden"):
        PAGE.write_text(rewritten(text, outputs))
        asked = list(shown(PAGE.read_text()))
    assert {question.command: question.output for question in asked} == {
        question.command: output for question, output in zip(asked, outputs, strict=True)
    }
