"""Rollouts are kept once the fleet is at rest, so that readers need not replay what has ended."""

from datetime import timedelta
from pathlib import Path

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import LogRequested
from fleet.drivers.journal.checkpoints import FEW, REST, keep, standing
from tests.unit.app.finished import a_fast_home, carried_out


def test_few_entries_are_kept_after_a_while_without_new_ones(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    carried_out(home)
    journal, folds = home.store.journal, home.store.folds
    first = journal.last()
    assert first is not None
    asked = to_record(LogRequested(rollout="", node=NodeRef("east", "n-1"), lines=10))
    journal.append([asked] * FEW, at=first.at, actor="ada@desk")
    last = journal.last()
    assert last is not None

    keep(journal, folds, last.at + REST - timedelta(seconds=1), "fleet@test")
    assert standing(journal, folds).place == 0

    keep(journal, folds, last.at + REST, "fleet@test")
    assert standing(journal, folds).place == last.seq

    count = journal.count()
    keep(journal, folds, last.at + 10 * REST, "fleet@test")
    assert journal.count() == count
