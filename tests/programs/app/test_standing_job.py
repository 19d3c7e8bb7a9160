"""The scheduled job of a standing policy makes its plan in a process of its own; a controller does that by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.standing.job import perform
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.core.jobs.job import JobRun
from fleet.core.records.errors import FleetError
from fleet.core.rollout.steps import RolloutState
from tests.store.processes import controller, wait
from tests.unit.app.finished import a_fast_home
from tests.unit.app.homes import POLICY

AUTO = f"{POLICY}    upgrade: auto\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = a_fast_home(tmp_path / "home", policy=AUTO)
    refresh(home)
    return home


def job_run(home: Home) -> JobRun:
    return JobRun("policy workers", home.now(), home.now(), "test", 1)


def test_the_job_starts_what_is_due_and_then_says_what_it_waits_for(home: Home) -> None:
    assert "r-1" in perform(home, job_run(home), "workers")
    assert "r-1" in perform(home, job_run(home), "workers")
    (rollout,) = Rollouts.load(home.store).all
    assert rollout.by == "policy/workers"


def test_a_window_that_is_nearly_over_is_a_wait_and_no_failure(home: Home) -> None:
    now = home.now()
    begin, end = now - timedelta(hours=4), now + timedelta(minutes=1)
    window = f'{{days: mon-sun, from: "{begin:%H:%M}", to: "{end:%H:%M}"}}'
    home.policy_file.write_text(f"{AUTO}    windows: [{window}]\n")
    assert perform(home, job_run(home), "workers").startswith("waiting: ")
    assert Rollouts.load(home.store).all == []


def test_a_pass_that_cannot_be_made_names_the_reason(home: Home) -> None:
    home.policy_file.write_text(AUTO.replace("canaries: 0", "canaries: none"))
    with pytest.raises(FleetError, match="canaries"):
        perform(home, job_run(home), "workers")


def test_a_controller_upgrades_the_pool_without_an_operator(home: Home, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with controller(home, log):
        wait(lambda: any(not rollout.active for rollout in Rollouts.load(home.store).all), log.read_text)
    (rollout,) = Rollouts.load(home.store).all
    assert (rollout.by, rollout.state) == ("policy/workers", RolloutState.FINISHED)
