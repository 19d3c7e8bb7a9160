"""Two controllers as processes on one database: one works, the other stands by and takes over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fleet.app.wiring.home import Home
from fleet.core.records.errors import StoreError
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import START, a_budget, a_deployment, a_node, a_snapshot
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.postgres.database import PostgresDatabase
from tests.cluster.signalled import StruckJournal
from tests.store.processes import controller, wait
from tests.store.raw import raw
from tests.unit.app.homes import a_home, a_started_rollout


def rollout_of(home: Home) -> Rollout:
    return rollouts_of(home.store.journal.entries())["r-1"]


def test_standby_takes_over_what_the_leader_began(place: str, tmp_path: Path) -> None:
    nodes = [a_node(f"n-{number}") for number in range(4)]
    snapshot = a_snapshot(nodes, a_deployment("shop", 6, nodes), [a_budget("shop", 6, 1)])
    home = a_home(tmp_path / "home", snapshot, database=place)
    first_log, second_log = tmp_path / "first.log", tmp_path / "second.log"
    with controller(home, first_log) as first:
        wait(lambda: "in control of" in first_log.read_text(), first_log.read_text)
        with controller(home, second_log):
            wait(lambda: "waiting for it to end" in second_log.read_text(), second_log.read_text)
            a_started_rollout(home)
            wait(
                lambda: any(run.step is Step.REBOOT for run in rollout_of(home).runs.values()),
                first_log.read_text,
            )
            assert "in control of" not in second_log.read_text()
            first.kill()
            wait(lambda: rollout_of(home).ended_at is not None, second_log.read_text, 120)
    rollout = rollout_of(home)
    assert {run.step for run in rollout.runs.values()} == {Step.DONE}
    entries = list(home.store.journal.entries(rollout="r-1"))
    epochs = [entry.epoch for entry in entries if entry.epoch]
    assert set(epochs) == {1, 2} and epochs == sorted(epochs)
    intents = [
        (entry.record.node, entry.record.detail["token"], entry.epoch)
        for entry in entries
        if (entry.record.form, entry.record.kind) == ("intent", "reboot")
    ]
    # What the first was asking for as it died is asked for again, under the same token: a machine acts on it once.
    assert len(set(intents)) == len(intents), "nobody asked twice"
    assert len({(node, token) for node, token, _ in intents}) == len(nodes), (
        "each machine was asked for one reboot"
    )
    home.store.close()


def test_connection_cut_before_the_commit_leaves_nothing(
    postgres_template: Callable[[str], str], numbered: Callable[[], str]
) -> None:
    place = postgres_template(numbered())
    database = PostgresDatabase(DatabaseAddress.parse(place))
    journal = StruckJournal(database)
    cut = [True]

    def strike(side: str, labels: object) -> None:
        if side == "before" and cut:
            cut.pop()
            _cut_all_others(place)

    journal.strike = strike
    record = JournalRecord(form="decision", kind="halt", rollout="r-1")
    with pytest.raises(StoreError):
        journal.append([record, record], at=START, actor="fleet@1")
    assert journal.count() == 0
    journal.append([record], at=START, actor="fleet@1")
    assert journal.count() == 1 and not cut
    database.close()


def _cut_all_others(place: str) -> None:
    with closing(raw(place)) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
