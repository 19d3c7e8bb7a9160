"""Passes of standing policies at the same moment, by several processes: one rollout is started, never two."""

from __future__ import annotations

import os
import signal
from collections import Counter
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from fleet.app.planning.plans import plan
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.start import start
from fleet.app.standing import evaluate as passes
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.core.records.errors import FleetError
from fleet.core.standing.state import StandingState
from fleet.lab.simulation.builders import NEW
from fleet.store.journal.journal import SqlJournal
from tests.store.late_journal import LateJournal
from tests.unit.app.homes import POLICY, a_home

TOGETHER = 60.0
"""Seconds that a process waits for the others to come to the same point."""


def one_pass(path: str, database: str, barrier: Barrier, answers: Queue[str]) -> None:
    """What one process does. All begin together, and come to their starts with plans of their own."""
    home = Home(Path(path), database)
    started = start

    def together(*args: object, **keys: object) -> object:
        barrier.wait(TOGETHER)
        return started(*args, **keys)  # type: ignore[arg-type]

    setattr(passes, "start", together)  # noqa: B010 (mypy: the module does not export it)
    try:
        (outcome,) = passes.evaluate(home).outcomes
        answers.put(outcome.rollout or "held")
    except FleetError as error:
        answers.put(type(error).__name__)
    finally:
        home.close()


@pytest.fixture
def home(tmp_path: Path, place: str) -> Home:
    home = a_home(tmp_path / "home", policy=f"{POLICY}    upgrade: auto\n", database=place)
    refresh(home)
    return home


def kinds(home: Home) -> Counter[str]:
    return Counter(entry.record.kind for entry in home.store.journal.entries())


def test_two_controllers_that_decide_at_once_start_one_rollout(home: Home) -> None:
    context = get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=one_pass, args=(str(home.path), home.database, barrier, answers))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    found = Counter(answers.get(timeout=2 * TOGETHER) for _ in processes)
    for process in processes:
        process.join()
    assert found == Counter({"r-1": 1, "held": 1})
    # The approval and the start are one transaction: that of the second one is not there either.
    assert kinds(home) == Counter({"approve": 1, "start": 1})


def test_an_operator_who_starts_in_between_is_not_overtaken(home: Home) -> None:
    made = plan(home, ["workers"], NEW.version)
    other = Home(home.path, home.database)
    home.store.journal = LateJournal(home, lambda: start(other, made, lambda names: ()))
    (outcome,) = passes.evaluate(home).outcomes
    assert (outcome.rollout, bool(outcome.problem)) == ("", True)
    (rollout,) = Rollouts.load(home.store).all
    assert rollout.by != "policy/workers"
    assert kinds(home) == Counter({"start": 1})
    other.close()


def killed(path: str, database: str) -> None:
    """Is killed when its start is about to be committed."""
    SqlJournal.append = lambda *args, **keys: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign,assignment]
    passes.evaluate(Home(Path(path), database))


def test_a_pass_that_is_killed_leaves_nothing_half_done(home: Home) -> None:
    process = get_context("spawn").Process(target=killed, args=(str(home.path), home.database))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(home.store.journal.entries()) == []
    (outcome,) = passes.evaluate(home).outcomes
    assert (outcome.rollout, outcome.pool.state) == ("r-1", StandingState.START)
