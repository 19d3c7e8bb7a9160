"""Runs many seeds one after another, and summarizes their coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import monotonic

from fleet.lab.simulation.checker.invariant import Invariant
from fleet.lab.simulation.coverage import Coverage
from fleet.lab.simulation.history import History
from fleet.lab.simulation.schedule import MOST

SHOWN = 20
"""How many of the seeds that broke the same invariant are named."""


def soak(first: int, count: int, progress: Callable[[str], None]) -> tuple[str, bool]:
    """Returns a summary, and whether every invariant was kept. `progress` is called every hundred seeds."""
    began = monotonic()
    coverage = Coverage()
    broken: dict[Invariant, list[int]] = {}
    moments = 0
    for seed in range(first, first + count):
        history = History(seed)
        for invariant in dict.fromkeys(violation.invariant for violation in history.run()):
            broken.setdefault(invariant, []).append(seed)
        coverage.add(history.world.coverage)
        moments += history.moments
        done = seed - first + 1
        if done % 100 == 0 or done == count:
            failed = len(set().union(*broken.values()))
            progress(f"{done} of {count} histories, {failed} broken, {monotonic() - began:.0f} s")
    return summary(coverage, broken, count, moments, monotonic() - began), not broken


def summary(
    coverage: Coverage, broken: dict[Invariant, list[int]], count: int, moments: int, seconds: float
) -> str:
    """Returns what the histories covered, and which invariants they broke, as lines of text."""
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
