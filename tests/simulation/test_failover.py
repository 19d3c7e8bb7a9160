"""Histories whose database loses its primary, and with it entries that its standby had not received."""

from __future__ import annotations

import pytest

from fleet.core.records.journal import JournalRecord
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.coverage import Coverage
from fleet.lab.simulation.history import History
from fleet.lab.simulation.journal import SimulatedJournal
from fleet.lab.simulation.places import NotedPlaces
from fleet.lab.simulation.schedule import with_failovers

BLOCKS, BLOCK = 2, 20
RECORD = JournalRecord("decision", "halt", "r-1")


@pytest.mark.parametrize("block", range(BLOCKS))
def test_nothing_happens_twice_where_entries_are_lost(block: int) -> None:
    total = Coverage()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        history = History(seed, with_failovers(seed))
        assert not history.run(), f"seed {seed}: {history.broken}"
        total.add(history.world.coverage)
    assert total.faults["failover"] > BLOCK


def test_place_that_was_noted_is_missed_though_the_journal_has_as_many_entries_again() -> None:
    journal = SimulatedJournal(lambda entry: None)
    places = NotedPlaces(journal)
    for _ in range(3):
        journal.append([RECORD], START, "fleet@1")
    places.note(["east"])
    journal.append([RECORD], START, "fleet@1")
    journal.lose(1)
    assert not places.is_lost("east")
    journal.lose(1)
    assert places.is_lost("east") and not places.is_lost("west")
    journal.append([RECORD], START, "fleet@2")
    assert places.is_lost("east")
    places.accept("east")
    assert not places.is_lost("east")
