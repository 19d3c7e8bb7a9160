"""Many seeds, with progress on stderr and a summary on stdout."""

from __future__ import annotations

import sys
from collections import Counter
from time import monotonic

from tests.simulation.coverage import Coverage
from tests.simulation.history import History
from tests.simulation.invariant import Invariant
from tests.simulation.schedule import MOST

SHOWN = 20
"""Seeds that are named of those that broke the same invariant."""


def soak(first: int, count: int) -> int:
    """0: no invariant was broken."""
    began = monotonic()
    coverage = Coverage()
    broken: dict[Invariant, list[int]] = {}
    moments = 0
    for seed in range(first, first + count):
        history = History(seed)
        for invariant in dict.fromkeys(each.invariant for each in history.run()):
            broken.setdefault(invariant, []).append(seed)
        coverage.add(history.world.coverage)
        moments += history.moments
        done = seed - first + 1
        if done % 100 == 0 or done == count:
            seconds = monotonic() - began
            failed = sum(map(len, broken.values()))
            print(f"\r{done} of {count} seeds, {failed} broken, {seconds:.0f} s", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(summary(coverage, broken, count, moments, monotonic() - began))
    return 1 if broken else 0


def summary(
    coverage: Coverage, broken: dict[Invariant, list[int]], count: int, moments: int, seconds: float
) -> str:
    lines = [
        f"{count} histories, {moments} moments, {seconds:.0f} s, {count / seconds:.1f} histories a second",
        "",
    ]
    lines += ["invariants"]
    for invariant in Invariant:
        seeds = broken.get(invariant, [])
        named = ", ".join(map(str, seeds[:SHOWN]))
        lines.append(f"  {invariant:75} {'kept' if not seeds else f'broken by {len(seeds)}: {named}'}")
    lines += ["", "faults that struck", *_table(Counter({kind: coverage.faults[kind] for kind in MOST}))]
    turns = Counter({f"{step} {turn}": number for (step, turn), number in coverage.turns.items()})
    lines += ["", "transitions", *_table(turns), "", "reasons", *_table(coverage.reasons)]
    return "\n".join(lines)


def _table(counts: Counter[str]) -> list[str]:
    return [f"  {name:30} {number:>9}" for name, number in sorted(counts.items())]
