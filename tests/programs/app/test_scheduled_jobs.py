"""`fleet run` and its scheduled jobs, as processes: over a crash, with two controllers, and with a freeze that is published
while a rollout is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.jobs.job import JobState
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.steps import Step
from fleet.simulated.clock import SimulatedClock
from tests.unit.app.test_calendar_job import EMPTY, FREEZES, a_rollout, frozen

SECONDS = 60.0
EVERY_MINUTE = FREEZES + "schedule: {calendars: 1m}\n"
"""A second of the wall, since the clock of these homes runs 60 times as fast."""


@contextmanager
def a_controller(home: Home, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a controller until the block ends, with its log in a file."""
    command = [sys.executable, "-P", "-m", "fleet.cli", "--home", str(home.path), "run"]
    with log.open("ab") as file, subprocess.Popen(command, stderr=file, env=dict(os.environ)) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(SECONDS)


def until(condition: Callable[[], object], log: Path) -> None:
    """Waits until the condition holds; fails with the log of the controller."""
    end, never = monotonic() + SECONDS, Event()
    while not condition():
        if monotonic() > end:
            pytest.fail(f"it never held; the controller said:\n{log.read_text()}")
        never.wait(0.05)


def state(home: Home) -> JobState | None:
    return home.store.jobs.all().get("calendars")


def done_since(home: Home, before: JobState | None) -> bool:
    now = state(home)
    return now is not None and now.outcome == "done" and now != before


def begun(home: Home) -> set[str]:
    records = (from_record(entry.record) for entry in home.store.journal.entries(kinds=["step"]))
    return {
        record.node.name
        for record in records
        if isinstance(record, StepFinished) and record.to is Step.CORDON
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "controller.log"


def test_freeze_that_is_taken_back_lets_a_running_rollout_go_on(tmp_path: Path, log: Path) -> None:
    home = a_rollout(tmp_path / "home", EVERY_MINUTE, frozen(30))
    with a_controller(home, log):
        until(lambda: done_since(home, None), log)
        assert not begun(home)
        (home.path / "board.ics").write_text(EMPTY)
        until(lambda: "n-1" in begun(home), log)
    assert "changed: freeze board" in log.read_text()


def test_controller_after_a_crash_runs_once_what_was_missed_and_says_so(tmp_path: Path, log: Path) -> None:
    home = a_rollout(tmp_path / "home", EVERY_MINUTE)
    with a_controller(home, log) as process:
        until(lambda: done_since(home, None), log)
        process.kill()
        process.wait(SECONDS)
    before = state(home)
    assert before is not None
    SimulatedClock(home.now() + timedelta(hours=7), 60.0, home.simulated / CLOCK).save()
    with a_controller(home, log):
        until(lambda: "calendars: runs 7h" in log.read_text(), log)
    assert "no controller ran it since" in log.read_text()


def test_second_controller_runs_no_job_until_it_leads(tmp_path: Path, log: Path) -> None:
    home, other = a_rollout(tmp_path / "home", EVERY_MINUTE), tmp_path / "other.log"
    with a_controller(home, log):
        until(lambda: done_since(home, None), log)
        with a_controller(home, other):
            until(lambda: "is in control: waiting" in other.read_text(), other)
            seen = state(home)
            until(lambda: done_since(home, seen), log)
            assert "calendars:" not in other.read_text()
    with a_controller(home, other):
        until(lambda: "calendars: 1 calendar read" in other.read_text(), other)
