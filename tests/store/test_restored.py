"""A database that is brought back from a copy of an earlier moment, while the cluster has gone on."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.drivers.leadership import SECONDS
from fleet.lab.simulation.builders import a_budget, a_deployment, a_node, a_snapshot
from tests.store.processes import controller, wait
from tests.unit.app.homes import a_home, a_started_rollout

ENTRIES = 12
"""Of the journal, when it is copied."""


def test_older_copy_is_noticed_and_nothing_happens_before_a_user_accepts_it(tmp_path: Path) -> None:
    nodes = [a_node(f"n-{number}") for number in range(4)]
    home = a_home(
        tmp_path / "home", a_snapshot(nodes, a_deployment("shop", 6, nodes), [a_budget("shop", 6, 1)])
    )
    log, copy = tmp_path / "controller.log", tmp_path / "copy.db"
    with controller(home, log):
        wait(lambda: "in control of" in log.read_text(), log.read_text)
        a_started_rollout(home)
        wait(lambda: home.store.journal.count() > ENTRIES, log.read_text)
        backed_up(home, copy)
        wait(lambda: rollout_of(home).ended_at is not None, log.read_text, 120)
        noted_by = time.monotonic() + SECONDS / 2
        wait(lambda: time.monotonic() > noted_by, log.read_text)
    home.store.close()
    restored = bring_back(home, copy)
    asked = intents(restored)
    with controller(restored, log):
        wait(lambda: "is not in this database" in explained(restored), lambda: explained(restored))
        assert intents(restored) == asked
        assert run(["--home", str(home.path), "cluster", "accept", "east", "--reason", "disk lost"]) == 0
        wait(lambda: rollout_of(restored).ended_at is not None, log.read_text, 120)
    assert {each.step for each in rollout_of(restored).runs.values()} == {Step.DONE}
    assert run(["--home", str(home.path), "audit", "verify"]) == 0
    assert run(["--home", str(home.path), "cluster", "accept", "east"]) == 3, "once is enough"
    restored.store.close()


def backed_up(home: Home, copy: Path) -> None:
    with closing(sqlite3.connect(home.database)) as found, closing(sqlite3.connect(copy)) as other:
        found.backup(other)


def bring_back(home: Home, copy: Path) -> Home:
    for each in ("", "-wal", "-shm"):
        Path(home.database + each).unlink(missing_ok=True)
    copy.rename(home.database)
    return Home(home.path)


def rollout_of(home: Home) -> Rollout:
    return rollouts_of(home.store.journal.entries())["r-1"]


def intents(home: Home) -> int:
    return sum(entry.record.form == "intent" for entry in home.store.journal.entries())


def explained(home: Home) -> str:
    """The blockers of the waiting nodes."""
    return str(home.store.held.of("r-1"))
