"""Which of a history's faults it takes to break what is broken: the others are left out, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.history import History
from tests.simulation.invariant import Invariant
from tests.simulation.schedule import Fault, schedule
from tests.simulation.world import WHOLE, Parts

TRIES = 150


def shrink(seed: int, invariant: Invariant, parts: Parts = WHOLE) -> tuple[Fault, ...]:
    """Faults without any one of which the history breaks it no more (or those after so many tries)."""
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
    return any(each.invariant is invariant for each in History(seed, faults, parts).run())


def tell(seed: int, parts: Parts = WHOLE) -> str:
    """The seed's history as a list of what happened when; a broken one shrunk first."""
    history = History(seed, parts=parts)
    broken = history.run()
    if not broken:
        return "\n".join([*history.world.lines, f"seed {seed}: no invariant was broken"])
    kept = shrink(seed, broken[0].invariant, parts)
    short = History(seed, kept, parts)
    short.run()
    names = ",".join(str(schedule(seed).index(fault)) for fault in kept)
    return "\n".join(
        [
            *_readable(short.world.lines),
            *map(str, short.broken),
            f"seed {seed}: {len(kept)} of its {len(history.faults)} faults are enough",
            f"replay: python -m tests.simulation {seed}",
            f"with these faults only: python -m tests.simulation {seed} --only {names or 'none'}",
        ]
    )


def _readable(lines: Sequence[str]) -> list[str]:
    """Without the answers that were as expected."""
    return [line for line in lines if not (" hears of " in line and line.endswith((": done", ": gone")))]
