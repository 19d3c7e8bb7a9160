"""`fleet rollout start --override-freeze`: a start in spite of freezes, with a reason that everybody sees."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from rich.text import Text

from fleet.app.planning.plans import plan
from fleet.app.reporting.blockers import blockers
from fleet.app.reporting.explain import explain
from fleet.app.reporting.report import report
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.cli.report import text as report_text
from fleet.cli.views.explain import whole
from fleet.core.planning.plan import Plan
from fleet.core.records.errors import HeldError, UsageError
from fleet.core.records.reasons.reason import Reason
from fleet.lab.simulation.builders import NEW
from tests.unit.app.homes import POLICY, a_home
from tests.unit.app.test_approvals import approved, fresh_of, planned
from tests.unit.app.users import a_home_with_users, acting

REASON = "CVE-2026-1234 is exploited"
FREEZE = "freezes: [{name: year end, from: 2026-10-01T00:00Z, until: 2027-01-04T00:00Z}]\n"


def override(home: Home, made: Plan, reason: str = REASON) -> str:
    return start(home, made, fresh_of(home), reason).rollout


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return a_home(tmp_path / "home", policy=POLICY + FREEZE)


def test_rollout_ignores_freezes_for_a_reason_that_status_explain_and_report_show(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan(home, ["workers"], NEW.version)
    override(home, made)
    rollout = Rollouts.load(home.store).named("r-1")
    first = rollout.runs[next(iter(rollout.runs))]
    assert rollout.override_freeze == REASON
    assert rollout.schedule(first).held(home.now(), timedelta(hours=1)) is None
    assert run(["--home", str(home.path), "rollout", "status", "r-1"]) in (0, 3)
    found = report(home, "r-1")
    explained: Text = whole(explain(home, "n-1", blockers))
    for shown in (capsys.readouterr().out, report_text.text(found), explained.plain):
        assert REASON in shown
    assert found.override_freeze == REASON


def test_rollout_without_an_override_waits_for_the_freeze(home: Home) -> None:
    made = plan(home, ["workers"], NEW.version)
    start(home, made, fresh_of(home))
    rollout = Rollouts.load(home.store).named("r-1")
    held = rollout.schedule(next(iter(rollout.runs.values()))).held(home.now(), timedelta())
    assert held is not None and held.reason is Reason.FREEZE and not rollout.override_freeze
    assert "override_freeze" not in str(home.store.journal.entries())


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "\x1b[31m"])
def test_reason_is_needed_and_one_line(home: Home, reason: str) -> None:
    made = plan(home, ["workers"], NEW.version)
    with pytest.raises(UsageError):
        override(home, made, reason)
    assert not Rollouts.load(home.store).all


def test_override_needs_the_persons_that_the_policy_wants(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", rule="{required: 1, override: 1}")
    made = planned(home)
    approved(home, made)
    with acting(home, "ada"), pytest.raises(HeldError):
        start(home, made, fresh_of(home), REASON)
    approved(home, made, override=REASON)
    with acting(home, "ada"):
        assert start(home, made, fresh_of(home), REASON).rollout == "r-1"
