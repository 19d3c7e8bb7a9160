"""`fleet exposure` on a home: what brings the fix, from plans and rollouts in the database, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.app.inventory.sync import sync
from fleet.app.planning.plans import plan
from fleet.app.reporting.exposure import LARGEST, advisories, exposure
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.core.exposure.question import condition
from fleet.core.records.errors import UsageError
from fleet.core.reporting.selection import Selection
from fleet.lab.simulation.builders import NEW, OLD
from tests.unit.app.finished import a_fast_home

ALL = Selection()
QUESTION = f"kernel<{NEW.kernel}"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = a_fast_home(tmp_path / "home")
    sync(home)
    return home


def fixes(home: Home) -> set[tuple[str, str, bool]]:
    (answer,) = exposure(home, [condition(QUESTION)], ALL).whole().answers
    return {
        (node.fix.kind, node.fix.version, node.fix.at is not None)
        for node in answer.nodes
        if node.fix is not None
    }


def test_fix_comes_from_the_stream_then_from_a_plan_then_from_the_rollout(home: Home) -> None:
    assert OLD.kernel < NEW.kernel
    assert fixes(home) == {("release", NEW.version, False)}
    made = plan(home, ["workers"], NEW.version)
    assert fixes(home) == {("plan", NEW.version, True)}
    start(home, made, lambda clusters: ())
    assert fixes(home) == {("rollout", NEW.version, True)}


def test_selection_and_what_is_unknown_there(home: Home) -> None:
    (answer,) = exposure(home, [condition(QUESTION)], Selection(pools=("workers",))).whole().answers
    assert len(answer.nodes) == 2
    with pytest.raises(UsageError):
        exposure(home, [condition(QUESTION)], Selection(sites=("nowhere",)))


def test_exit_codes(home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    silent = tmp_path / "silent.json"
    silent.write_text('{"id": "X-1", "affected": []}')
    where = ["--home", str(home.path), "exposure"]
    assert run([*where, QUESTION]) == 4
    assert run([*where, "kernel<1"]) == 0
    assert run([*where, "--advisory", str(silent)]) == 5
    assert run([*where]) == 2
    capsys.readouterr()
    assert run([*where, QUESTION, "-o", "json"]) == 4
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["counts"]["affected"] == 2
    for form in ("table", "wide", "csv"):
        assert run([*where, QUESTION, "-o", form]) == 4
    assert OLD.kernel in capsys.readouterr().out


def test_openvex_is_about_a_vulnerability_with_a_name(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    silent = tmp_path / "silent.json"
    silent.write_text('{"id": "X-1", "affected": []}')
    where = ["--home", str(home.path), "exposure", "-o", "vex"]
    assert run([*where, "--advisory", str(silent)]) == 5
    document = json.loads(capsys.readouterr().out)
    assert {each["vulnerability"]["name"] for each in document["statements"]} == {"X-1"}
    for condition_ in ([QUESTION], ["--version", OLD.version], ["--package", "openssl"]):
        assert run([*where, "--advisory", str(silent), *condition_]) == 2
        shown = capsys.readouterr()
        assert (shown.out, "--advisory FILE" in shown.err) == ("", True)


def test_advisory_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.json"):
        advisories([tmp_path / "missing.json"])
    with pytest.raises(UsageError):
        advisories([tmp_path])
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(UsageError, match="larger"):
        advisories([large])
