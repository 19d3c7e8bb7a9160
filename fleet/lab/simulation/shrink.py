"""Finds the faults of a history that are needed to break an invariant: leaves out the others, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.records.errors import UsageError
from fleet.lab.simulation.checker.invariant import Invariant
from fleet.lab.simulation.history import History
from fleet.lab.simulation.schedule import Fault, schedule
from fleet.lab.simulation.world import WHOLE, Parts

TRIES = 150


def shrink(seed: int, invariant: Invariant, parts: Parts = WHOLE) -> tuple[Fault, ...]:
    """Returns the faults that are all needed to break the invariant (or those left after `TRIES` tries)."""
    faults, tries = schedule(seed), 0
    size = len(faults)
    while size:
        begin = 0
        while begin < len(faults) and tries < TRIES:
            fewer = faults[:begin] + faults[begin + size :]
            tries += 1
            if _breaks(seed, fewer, invariant, parts):
                faults = fewer
            else:
                begin += size
        size = size // 2
    return faults


def _breaks(seed: int, faults: Sequence[Fault], invariant: Invariant, parts: Parts) -> bool:
    return any(violation.invariant is invariant for violation in History(seed, faults, parts).run())


def describe_history(seed: int, parts: Parts = WHOLE) -> tuple[str, bool]:
    """Returns the seed's history as lines of events with their times, shrunk if it broke an invariant; and whether none was
    broken."""
    history = History(seed, parts=parts)
    broken = history.run()
    if not broken:
        return "\n".join([*history.world.lines, f"seed {seed}: no invariant was broken"]), True
    needed = shrink(seed, broken[0].invariant, parts)
    short = History(seed, needed, parts)
    short.run()
    names = ",".join(str(schedule(seed).index(fault)) for fault in needed)
    lines = [
        *_readable(short.world.lines),
        *map(str, short.broken),
        f"seed {seed}: {len(needed)} of its {len(history.faults)} faults are enough",
        f"replay: fleet lab simulate --seed {seed}",
        f"with these faults only: fleet lab simulate --seed {seed} --only {names or 'none'}",
    ]
    return "\n".join(lines), False


def describe_with_faults(seed: int, numbers: Sequence[int]) -> tuple[str, bool]:
    """Returns the same for a history with only these of the seed's faults, counted from 0. Raises UsageError for a number
    that is not there."""
    faults = schedule(seed)
    if unknown := [number for number in numbers if not 0 <= number < len(faults)]:
        raise UsageError(f"seed {seed} has faults 0 to {len(faults) - 1}, not {', '.join(map(str, unknown))}")
    history = History(seed, [faults[number] for number in numbers])
    broken = history.run()
    return "\n".join([*history.world.lines, *map(str, broken)]), not broken


def _readable(lines: Sequence[str]) -> list[str]:
    """Returns the lines without the answers that were as expected."""
    return [line for line in lines if not (" hears of " in line and line.endswith((": done", ": gone")))]
