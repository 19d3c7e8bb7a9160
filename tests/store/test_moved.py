"""A decision made on one state of the journal is written only if the journal still has that state."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleet.core.records.errors import JournalMovedError
from fleet.core.records.journal import JournalRecord
from fleet.store import Store

NOW = datetime(2026, 11, 2, tzinfo=UTC)
START = JournalRecord(form="command", kind="start", rollout="r-1", detail={})


def test_of_two_writers_that_saw_the_same_journal_one_is_refused(store: Store) -> None:
    store.journal.append([START], at=NOW, actor="ada@desk", last=0)
    with pytest.raises(JournalMovedError):
        store.journal.append([START], at=NOW, actor="bob@desk", last=0)
    assert [entry.actor for entry in store.journal.entries()] == ["ada@desk"]
    store.journal.append([START], at=NOW, actor="bob@desk", last=1)
    assert store.journal.count() == 2
