"""Stored rollout checkpoints: with the entries after them they give what the whole journal gives."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.reporting.ended_rollout import EndedRollout, EndedRun
from fleet.core.rollout.checkpoint import (
    RolloutCheckpoint,
    RunCheckpoint,
    restore_checkpoint,
    take_checkpoint,
)
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.drivers.journal.brief import in_brief
from fleet.drivers.journal.checkpoints import differing, keep, standing
from fleet.lab.simulation.builders import a_budget, a_deployment, a_node, a_policy, a_snapshot
from fleet.store import Store
from tests.simulated_rollout import SimulatedRollout
from tests.store.raw import raw

START = datetime(2026, 11, 2, 9, tzinfo=UTC)


def story() -> list[JournalEntry]:
    """A rollout that is paused, halted by a failure, resumed, and released."""
    nodes = [a_node(f"n-{number}") for number in range(4)]
    rollout = SimulatedRollout(
        [a_snapshot(nodes, a_deployment("shop", 4, nodes), [a_budget("shop", 4, 1)])], a_policy()
    )
    rollout.start()
    rollout.run(seconds=120)
    rollout.send("pause")
    rollout.run(seconds=30)
    rollout.send("resume")
    rollout.run(seconds=1200)
    return rollout.entries


ENTRIES = story()


def facts(rollout: Rollout) -> dict[str, Any]:
    """Everything that a rollout has. Its schedules are computed from `start`, and cannot be compared."""
    return {name: value for name, value in vars(rollout).items() if name != "schedules"}


def test_run_is_stored_completely() -> None:
    assert [each.name for each in fields(RunCheckpoint)] == [
        each.name for each in fields(Run) if each.name not in ("goal", "release")
    ]


def test_brief_run_is_read_from_the_first_fields_of_a_stored_one() -> None:
    brief = [each.name for each in fields(EndedRun)]
    assert brief == [each.name for each in fields(RunCheckpoint)][: len(brief)]


def test_only_ended_rollouts_without_later_entries_are_read_in_brief(place: str) -> None:
    def brief() -> dict[str, bool]:
        return {each.id: isinstance(each, EndedRollout) for each in in_brief(store.journal, store.folds)}

    with Store.open(place) as store:
        write(store, ENTRIES)
        write(store, ENTRIES[:40], "r-2")
        assert brief() == {"r-1": False, "r-2": False}
        keep(store.journal, store.folds, START, "ada@desk", enough=1)
        assert brief() == {"r-1": True, "r-2": False}
        write(store, ENTRIES, "r-3")
        assert brief() == {"r-1": True, "r-2": False, "r-3": False}
        store.journal.append([JournalRecord("command", "pause", "r-1")], at=START, actor="ada@desk")
        assert brief() == {"r-1": False, "r-2": False, "r-3": False}


@pytest.mark.parametrize("part", [1, 2, 3, 5, 8])
def test_replay_from_any_checkpoint_gives_the_same_state(part: int) -> None:
    assert len(ENTRIES) > 40
    for place in range(1, len(ENTRIES), part):
        halfway = rollouts_of(ENTRIES[:place])
        data = [msgspec.json.encode(take_checkpoint(rollout)) for rollout in halfway.values()]
        kept = {
            each.id: each
            for each in (restore_checkpoint(msgspec.json.decode(one, type=RolloutCheckpoint)) for one in data)
        }
        assert {ident: facts(each) for ident, each in kept.items()} == {
            ident: facts(each) for ident, each in halfway.items()
        }
        whole, after = rollouts_of(ENTRIES), rollouts_of(ENTRIES[place:], kept)
        assert {k: facts(v) for k, v in after.items()} == {k: facts(v) for k, v in whole.items()}


def write(store: Store, entries: list[JournalEntry], name: str = "r-1") -> None:
    for entry in entries:
        record = msgspec.structs.replace(entry.record, rollout=name)
        store.journal.append([record], at=entry.at, actor=entry.actor)


def restored(store: Store) -> dict[str, dict[str, Any]]:
    found = standing(store.journal, store.folds).rollouts
    assert list(found) == list(rollouts_of(store.journal.entries()))
    return {ident: facts(each) for ident, each in found.items()}


def truth(store: Store) -> dict[str, dict[str, Any]]:
    return {ident: facts(each) for ident, each in rollouts_of(store.journal.entries()).items()}


def test_checkpoint_is_stored_at_intervals(place: str) -> None:
    with Store.open(place) as store:
        write(store, ENTRIES[:10])
        keep(store.journal, store.folds, START, "ada@desk", enough=20)
        assert store.folds.load() == (0, ())
        write(store, ENTRIES[10:30])
        keep(store.journal, store.folds, START, "ada@desk", enough=20)
        assert store.folds.load()[0] == 30 and restored(store) == truth(store)
        write(store, ENTRIES[30:])
        write(store, ENTRIES, "r-2")
        assert restored(store) == truth(store)
        keep(store.journal, store.folds, START, "ada@desk", enough=20)
        last = store.journal.last()
        assert last is not None and (last.record.kind, store.folds.load()[0]) == ("fold", last.seq - 1)
        assert restored(store) == truth(store) and list(restored(store)) == ["r-1", "r-2"]


def test_concurrently_stored_checkpoint_is_kept(place: str) -> None:
    with Store.open(place) as store:
        write(store, ENTRIES)
        last = store.journal.last()
        assert last is not None
        now = standing(store.journal, store.folds)
        mine = {"r-1": (0, take_checkpoint(now.rollouts["r-1"]))}
        assert store.folds.keep(0, last.seq, mine, at=START, actor="ada@desk")
        assert not store.folds.keep(0, last.seq, mine, at=START, actor="ada@desk")
        assert not store.folds.keep(last.seq - 1, last.seq + 1, mine, at=START, actor="ada@desk")


def test_checkpoint_of_another_journal_is_ignored(tmp_path: Path) -> None:
    """Of a database that was restored from an older copy and went on in another way."""
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store)
        assert store.folds.load()[0] > 0
        with raw(store.shown) as database:
            database.execute("DELETE FROM journal WHERE seq > 40")
        store.journal.append([JournalRecord("command", "pause", "r-1")], at=START, actor="ada@desk")
        assert store.folds.load() == (0, ()) and store.folds.findings() == []
        assert restored(store) == truth(store)


def test_checkpoint_of_another_version_is_ignored(tmp_path: Path) -> None:
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store)
        for body in ("{}", '{"id": 7}', "nonsense"):
            with store.database.write("fold") as transaction:
                transaction.run("UPDATE fold SET body = ?", [body])
            assert restored(store) == truth(store)


def test_checkpoint_with_other_runs_than_the_goals_is_ignored(tmp_path: Path) -> None:
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store, runs=())
        assert store.folds.load()[0] > 0
        assert restored(store) == truth(store)


@pytest.mark.parametrize("what", ["a body", "the order", "a rollout gone", "the vouching entry"])
def test_changed_checkpoint_is_ignored_and_reported(tmp_path: Path, what: str) -> None:
    changes = {
        "a body": """UPDATE fold SET body = replace(body, '"by":"ada', '"by":"eve') WHERE rollout = 'r-1'""",
        "the order": "UPDATE fold SET number = 7 - number",
        "a rollout gone": "DELETE FROM fold WHERE rollout = 'r-2'",
        "the vouching entry": "UPDATE journal SET detail = replace(detail, '\"seq\":', '\"seq\":1') "
        "WHERE kind = 'fold'",
    }
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        write(store, ENTRIES, "r-2")
        keep(store.journal, store.folds, START, "ada@desk", enough=20)
        assert store.folds.load()[0] > 0 and store.folds.findings() == []
        with raw(store.shown) as database:
            assert database.execute(changes[what]).rowcount
        assert store.folds.load() == (0, ())
        assert restored(store) == truth(store)
        assert [each.what for each in [*store.journal.verify(), *store.folds.findings()]] == ["changed"]
        # The next controller keeps them anew.
        write(store, ENTRIES, "r-3")
        keep(store.journal, store.folds, START, "ada@desk", enough=20)
        assert store.folds.load()[0] > 0 and restored(store) == truth(store)


def test_wrong_checkpoint_with_a_valid_hash_is_reported(tmp_path: Path) -> None:
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store)
        assert differing(store.journal, store.folds) == (len(ENTRIES), [])
    with Store.open(tmp_path / "other.db") as store:
        write(store, ENTRIES)
        keep_all(store, by="eve@desk")
        assert differing(store.journal, store.folds) == (len(ENTRIES), ["r-1"])


def test_unreadable_checkpoint_does_not_prevent_a_start(tmp_path: Path) -> None:
    """Rows of an older version of fleet may decode, and still not be what later entries go on from."""
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES[:20])
        last, now = store.journal.last(), standing(store.journal, store.folds)
        assert last is not None
        empty = msgspec.structs.replace(
            take_checkpoint(now.rollouts["r-1"]),
            start=msgspec.structs.replace(now.rollouts["r-1"].start, goals=()),
            runs=(),
        )
        assert store.folds.keep(0, last.seq, {"r-1": (0, empty)}, at=START, actor="ada@desk")
        write(store, ENTRIES[20:])
        assert restored(store) == truth(store)


def keep_all(store: Store, **changes: Any) -> None:
    last = store.journal.last()
    assert last is not None
    folded = msgspec.structs.replace(take_checkpoint(rollouts_of(store.journal.entries())["r-1"]), **changes)
    assert store.folds.keep(0, last.seq, {"r-1": (0, folded)}, at=START, actor="ada@desk")
    assert folded.acted and NodeRef("east", "n-0") in folded.acted
