"""`fleet lint` measures each gate once, where there is a fleet."""

from __future__ import annotations

from pathlib import Path

from fleet.app.planning.lint import lint_fleet
from fleet.app.wiring.home import Home
from tests.unit.app.homes import POLICY, a_home

GATES = """\
    gates:
      - {name: broken, command: [/no/such/program]}
      - {name: bad, command: ["false"]}
      - {name: night, soak: 8h}
      - {name: go, operator: true}
"""


def unanswered(home: Home) -> list[str]:
    return [finding.subject for finding in lint_fleet(home).findings if finding.check == "gate-unanswered"]


def test_a_gate_without_an_answer_is_found_and_a_bad_one_is_not(tmp_path: Path) -> None:
    assert unanswered(a_home(tmp_path, policy=POLICY + GATES)) == ["pool workers, gate broken"]


def test_without_a_fleet_no_gate_is_measured(tmp_path: Path) -> None:
    marker = tmp_path / "was-run"
    gate = f"    gates: [{{name: g, command: [touch, {marker}]}}]\n"
    home = Home(tmp_path)
    home.policy_file.write_text(POLICY + gate)
    assert unanswered(home) == []
    assert not marker.exists()
