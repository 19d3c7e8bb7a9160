"""The checker itself is tested by breaking one rule at a time."""

from __future__ import annotations

from types import FunctionType

import pytest

from fleet.lab.simulation.checker.invariant import Invariant
from fleet.lab.simulation.history import History
from fleet.lab.simulation.world import Parts
from tests.simulation import broken
from tests.simulation.broken import BROKEN

SEEDS = 120
"""Within so many histories each broken part is caught."""


def test_every_invariant_has_a_broken_part_that_violates_it() -> None:
    assert {invariant for invariant, _ in BROKEN} == set(Invariant)


@pytest.mark.parametrize(("invariant", "parts"), BROKEN, ids=[invariant.name for invariant, _ in BROKEN])
def test_broken_part_is_caught(invariant: Invariant, parts: Parts) -> None:
    caught = (each.invariant for seed in range(SEEDS) for each in History(seed, parts=parts).run())
    assert invariant in caught


def test_a_broken_part_overrides_what_is_there() -> None:
    """A method that was renamed would leave its broken part whole, and what is to be caught would not be broken."""
    parts = [
        each
        for each in vars(broken).values()
        if isinstance(each, type) and each.__module__ == broken.__name__
    ]
    assert parts
    for part in parts:
        for name, value in vars(part).items():
            if isinstance(value, FunctionType) and name != "__init__":
                assert any(hasattr(base, name) for base in part.__bases__), f"{part.__name__}.{name}"
