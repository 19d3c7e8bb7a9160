"""Reports that the controller writes when a period has ended: each once, whole, and never over another file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from fleet.app.schedule.registry import jobs_of
from fleet.app.wiring.home import Home
from fleet.config.policy import loads
from fleet.core.jobs.job import JobRun
from fleet.core.records.errors import ConfigError, FleetError
from tests.unit.app.homes import POLICY, a_home


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_run(due: str) -> JobRun:
    return JobRun("report", at(due), at("2026-11-02"), "controller-1", 0)


def with_reports(folder: Path, reports: str) -> Home:
    return a_home(folder, policy=f"{POLICY}schedule: {{reports: [{reports}]}}\n")


def files(home: Home) -> list[str]:
    return sorted(path.name for path in (home.path / "reports").iterdir())


def test_report_of_every_period_that_was_missed_is_written(tmp_path: Path) -> None:
    home = with_reports(tmp_path / "home", "{every: month, format: json}")
    (job,) = jobs_of(home)()
    done = job.work(a_run("2026-09-01"))
    assert files(home) == [
        "fleet-2026-08-01-to-2026-08-31.json",
        "fleet-2026-09-01-to-2026-09-30.json",
        "fleet-2026-10-01-to-2026-10-31.json",
    ]
    made = msgspec.json.decode((home.path / "reports" / files(home)[2]).read_bytes())
    assert (made["span"]["begin"], made["span"]["end"]) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert done.count("wrote ") == 3 and "not signed" in done


@pytest.mark.parametrize(
    ("rule", "due", "name"),
    [
        ("{every: quarter}", "2026-10-01", "fleet-2026Q3.html"),
        (
            "{every: week, pools: [workers], format: csv}",
            "2026-11-02",
            "workers-2026-10-26-to-2026-11-01.csv",
        ),
        ("{every: quarter, format: markdown, within: '14'}", "2026-10-01", "fleet-2026Q3.md"),
        ("{every: quarter, format: oscal}", "2026-10-01", "fleet-2026Q3.oscal.json"),
    ],
)
def test_file_is_named_after_its_period_and_pools(tmp_path: Path, rule: str, due: str, name: str) -> None:
    home = with_reports(tmp_path / "home", rule)
    (job,) = jobs_of(home)()
    job.work(a_run(due))
    assert files(home) == [name]
    assert (home.path / "reports" / name).stat().st_mode & 0o777 == 0o640


def test_file_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    home = with_reports(tmp_path / "home", "{every: quarter}")
    (home.path / "reports").mkdir()
    kept = home.path / "reports" / "fleet-2026Q3.html"
    kept.write_text("sent to the auditor")
    (job,) = jobs_of(home)()
    assert "is left as it was" in job.work(a_run("2026-10-01"))
    assert kept.read_text() == "sent to the auditor" and files(home) == [kept.name]


def test_folder_that_cannot_be_written_fails_the_job_and_leaves_nothing(tmp_path: Path) -> None:
    home = with_reports(tmp_path / "home", "{every: quarter}")
    (home.path / "reports").write_text("a file")
    (job,) = jobs_of(home)()
    with pytest.raises(FleetError, match="is not written") as caught:
        job.work(a_run("2026-10-01"))
    assert "schedule.reports" in caught.value.hint


@pytest.mark.parametrize(
    "reports",
    [
        "{every: year}",
        "{format: html}",
        "{every: week, format: docx}",
        "{every: week, pools: [wbe]}",
        "{every: week, within: soon}",
        "{every: week}, {every: week, folder: elsewhere}",
    ],
)
def test_mistakes_are_reported_with_their_key(reports: str) -> None:
    with pytest.raises(ConfigError, match=r"schedule\.reports"):
        loads(f"pools: [{{name: web}}]\nschedule: {{reports: [{reports}]}}")


def test_interval_is_a_minute_at_least() -> None:
    with pytest.raises(ConfigError, match=r"schedule\.calendars"):
        loads("pools: [{name: web}]\nschedule: {calendars: 5s}")
