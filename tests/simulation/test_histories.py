"""Seeded histories with faults at every point, judged by a checker that shares no code with the engine."""

from __future__ import annotations

import pytest

from tests.simulation.history import History


@pytest.mark.parametrize("block", range(8))
def test_no_history_breaks_an_invariant(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        history = History(seed)
        assert not history.run(), f"seed {seed}: {history.checker.broken[:5]}, drawn {dict(history.happened)}"
