"""What users see of standing policies, and the same as JSON."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.cli.main import run
from fleet.cli.report.changes.change_row import changes
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.schemas import schema
from fleet.lab.simulation.builders import NEW, START
from tests.unit.app.finished import workers
from tests.unit.app.homes import POLICY, a_home

BEGIN, END = START + timedelta(hours=2), START + timedelta(hours=6)
WINDOW = f'    windows: [{{days: mon-sun, from: "{BEGIN:%H:%M}", to: "{END:%H:%M}"}}]\n'
AUTO = f"{POLICY}    upgrade: {{mode: auto}}\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = a_home(tmp_path / "home", workers(3), policy=AUTO + WINDOW)
    refresh(home)
    return home


def fleet(home: Home, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["--home", str(home.path), "policy", *arguments]) == code
    return capsys.readouterr().out


def test_status_shows_what_is_next_and_when(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    head, row, *why = fleet(home, capsys, "status").splitlines()
    assert head.split() == ["POOL", "STATE", "FOLLOWS", "NEXT", "EXPECTED"]
    assert row.split()[:4] == ["workers", "waiting", "stable", NEW.version]
    assert "in 2h" in row
    assert why[0].startswith("workers: ")


def test_status_of_one_pool_shows_what_each_release_lacks(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.policy_file.write_text(AUTO.replace("{mode: auto}", "{mode: auto, delay: 3d}"))
    shown = fleet(home, capsys, "status", "--pool", "workers")
    assert f"{NEW.version} does not qualify, for 3 nodes" in shown
    assert shown.count("lacks: ") == 1
    assert "  -> give it a date in stream stable (released)" in shown


def test_the_json_has_the_keys_of_its_schema(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(fleet(home, capsys, "status", "-o", "json"))
    (pool,) = found["pools"]
    described = schema("policies")["$defs"]["StandingPool"]
    assert set(described["required"]) <= set(pool)
    assert (pool["state"], pool["target"], pool["why"]["reason"]) == ("waiting", NEW.version, "window")
    assert pool["releases"][0]["nodes"] == 3


def test_a_pass_exits_3_where_nothing_is_due_and_0_where_something_was_done(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(home, capsys, "run", code=3)
    home.policy_file.write_text(AUTO)
    assert "started rollout r-1" in fleet(home, capsys, "run")
    assert run(["--home", str(home.path), "rollout", "status", "r-1"]) in (0, 3)
    assert "started by the standing policy of pool workers" in capsys.readouterr().out
    assert run(["--home", str(home.path), "report", "r-1", "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["standing"]["pool"] == "workers"
    assert report["standing"]["grounds"]
    assert [each["by"]["method"] for each in report["approvals"]] == ["policy"]


def test_a_policy_that_is_not_halted_cannot_be_resumed(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(home, capsys, "resume", "workers", code=2)


def test_a_plan_of_the_policy_that_a_user_starts_is_the_users_start(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.policy_file.write_text(AUTO)
    fleet(home, capsys, "run")
    assert run(["--home", str(home.path), "report", "--fleet", "-o", "json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=PeriodReport)
    (row,) = changes(report)
    assert row.by == "the standing policy"
    (rollout,) = report.rollouts
    taken = replace(rollout, by="ada@desk", override_freeze="CVE-2026-1234")
    (row,) = changes(replace(report, rollouts=(taken,)))
    assert row.by == "ada@desk" and row.why.startswith("CVE-2026-1234; ")
