"""Histories whose database loses its primary, and with it entries that its standby had not received."""

from __future__ import annotations

import pytest

from fleet.lab.simulation.checker.invariant import Invariant
from fleet.lab.simulation.coverage import Coverage
from fleet.lab.simulation.history import History
from fleet.lab.simulation.schedule import failovers, with_failovers
from fleet.lab.simulation.wire import WatchStream

BLOCKS, BLOCK = 2, 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_nothing_happens_twice_where_entries_are_lost(block: int) -> None:
    total = Coverage()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        history = History(seed, with_failovers(seed))
        assert not history.run(), f"seed {seed}: {history.broken}"
        total.add(history.world.coverage)
    assert total.faults["failover"] > BLOCK


def test_controller_that_ignores_what_a_lease_notes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lose = WatchStream.lose

    def ignore(wire: WatchStream, why: str, at: float) -> None:
        if "lease" not in why:
            lose(wire, why, at)
            return
        wire.heard = True

    monkeypatch.setattr(WatchStream, "lose", ignore)
    found = (each.invariant for seed in range(60) for each in History(seed, failovers(seed)).run())
    assert Invariant.EPOCH in found, "it stops at the first"
