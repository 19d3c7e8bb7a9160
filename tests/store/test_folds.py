"""Rollouts that were kept at one place of the journal: with what came after they are what the whole journal tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields

from fleet.core.folded import Folded, FoldedRun, fold, unfold
from fleet.core.history import rollouts_of
from fleet.core.journal import Entry
from fleet.core.node import NodeRef
from fleet.core.rollout import Rollout, Run
from fleet.drivers.folding import keep, standing
from fleet.histories.builders import a_budget, a_deployment, a_node, a_policy, a_snapshot
from fleet.store import Store
from tests.story import Story


def story() -> list[Entry]:
    """A rollout that is paused, halted by a failure, resumed, and released."""
    nodes = [a_node(f"n-{number}") for number in range(4)]
    told = Story([a_snapshot(nodes, a_deployment("shop", 4, nodes), [a_budget("shop", 4, 1)])], a_policy())
    told.start()
    told.run(seconds=120)
    told.say("pause")
    told.run(seconds=30)
    told.say("resume")
    told.run(seconds=1200)
    return told.entries


ENTRIES = story()


def facts(rollout: Rollout) -> dict[str, Any]:
    return dict(vars(rollout))


def test_a_run_is_kept_whole() -> None:
    assert [each.name for each in fields(FoldedRun)] == [
        each.name for each in fields(Run) if each.name not in ("goal", "release")
    ]


@pytest.mark.parametrize("part", [1, 2, 3, 5, 8])
def test_wherever_it_was_kept_what_comes_after_leads_to_the_same(part: int) -> None:
    assert len(ENTRIES) > 40
    for place in range(1, len(ENTRIES), part):
        halfway = rollouts_of(ENTRIES[:place])
        data = [msgspec.json.encode(fold(rollout)) for rollout in halfway.values()]
        kept = {each.id: each for each in (unfold(msgspec.json.decode(one, type=Folded)) for one in data)}
        assert {ident: facts(each) for ident, each in kept.items()} == {
            ident: facts(each) for ident, each in halfway.items()
        }
        whole, after = rollouts_of(ENTRIES), rollouts_of(ENTRIES[place:], kept)
        assert {k: facts(v) for k, v in after.items()} == {k: facts(v) for k, v in whole.items()}


def write(store: Store, entries: list[Entry], name: str = "r-1") -> None:
    for entry in entries:
        record = msgspec.structs.replace(entry.record, rollout=name)
        store.journal.append([record], at=entry.at, actor=entry.actor)


def told(store: Store) -> dict[str, dict[str, Any]]:
    found = standing(store.journal, store.folds).rollouts
    assert list(found) == list(rollouts_of(store.journal.entries()))
    return {ident: facts(each) for ident, each in found.items()}


def truth(store: Store) -> dict[str, dict[str, Any]]:
    return {ident: facts(each) for ident, each in rollouts_of(store.journal.entries()).items()}


def test_it_is_kept_once_enough_has_happened_and_again(place: str) -> None:
    with Store.open(place) as store:
        write(store, ENTRIES[:10])
        keep(store.journal, store.folds, enough=20)
        assert store.folds.load() == (0, ())
        write(store, ENTRIES[10:30])
        keep(store.journal, store.folds, enough=20)
        assert store.folds.load()[0] == 30 and told(store) == truth(store)
        write(store, ENTRIES[30:])
        write(store, ENTRIES, "r-2")
        assert told(store) == truth(store)
        keep(store.journal, store.folds, enough=20)
        assert store.folds.load()[0] == store.journal.last().seq  # type: ignore[union-attr]
        assert told(store) == truth(store) and list(told(store)) == ["r-1", "r-2"]


def test_what_somebody_else_has_kept_meanwhile_stays(place: str) -> None:
    with Store.open(place) as store:
        write(store, ENTRIES)
        last = store.journal.last()
        assert last is not None
        now = standing(store.journal, store.folds)
        mine = {"r-1": (0, fold(now.rollouts["r-1"]))}
        assert store.folds.keep(0, last.seq, last.hash, mine)
        assert not store.folds.keep(0, last.seq, last.hash, mine)
        assert not store.folds.keep(last.seq - 1, last.seq + 1, "0", mine)


def test_another_journal_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Of a database that was restored from an older copy and went on in another way."""
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store, digest="0" * 64)
        assert store.folds.load() == (0, ())
        assert told(store) == truth(store)


def test_what_another_version_has_kept_is_told_by_the_journal(tmp_path: Path) -> None:
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store)
        for body in ("{}", '{"id": 7}', "nonsense"):
            with store._database.write("fold") as transaction:
                transaction.run("UPDATE fold SET body = ?", [body])
            assert told(store) == truth(store)


def test_runs_that_are_not_those_of_the_goals_are_told_by_the_journal(tmp_path: Path) -> None:
    with Store.open(tmp_path / "fleet.db") as store:
        write(store, ENTRIES)
        keep_all(store, runs=())
        assert store.folds.load()[0] > 0
        assert told(store) == truth(store)


def keep_all(store: Store, digest: str = "", **changes: Any) -> None:
    last = store.journal.last()
    assert last is not None
    folded = msgspec.structs.replace(fold(rollouts_of(store.journal.entries())["r-1"]), **changes)
    assert store.folds.keep(0, last.seq, digest or last.hash, {"r-1": (0, folded)})
    assert folded.acted and NodeRef("east", "n-0") in folded.acted
