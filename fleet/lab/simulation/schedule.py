"""Draws the faults and their times once from the seed, so that a history can run again without some of them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

MOST: Mapping[str, int] = {
    "kill": 4,
    "kill between actions": 4,
    "kill before the journal": 2,
    "second leader": 2,
    "stopped leader": 2,
    "database refuses": 2,
    "commit unheard": 3,
    "away": 2,
    "watches forgotten": 3,
    "timeouts": 2,
    "errors": 2,
    "conflicts": 2,
    "busy": 2,
    "slow": 2,
    "late events": 3,
    "doubled events": 2,
    "pause": 2,
    "resume": 2,
    "abort": 1,
    "release": 3,
    "policy changed": 2,
    "clock forward": 2,
    "clock back": 2,
    "cordon": 3,
    "uncordon": 3,
    "delete node": 1,
    "replace node": 1,
    "unready": 2,
    "unheard": 1,
    "flap": 1,
    "leave pool": 1,
    "move zone": 1,
    "budget tighter": 2,
    "budget none": 1,
    "budget deleted": 1,
    "budget doubled": 1,
    "scale down": 2,
    "pod deleted": 4,
    "pods crash": 1,
    "booted by another": 1,
    "unstaged": 1,
    "agent dies": 2,
    "node failure": 2,
    "member down": 2,
    "member lags": 1,
    "alarm": 1,
    "leader moves": 2,
    "group unread": 2,
    "backup full": 1,
    "ambush": 3,
    "forget node": 3,
    "delete canary": 1,
    "cordon canary": 1,
    "volumes stay": 2,
    "taint of another": 2,
    "annotation of another": 2,
    "maintenance of another": 2,
    "kept off": 2,
    "forbidden": 1,
    "abort in a step": 1,
    "switch over": 3,
    "hostile host": 2,
    "freezes changed": 4,
}
"""How often each kind of fault happens in one history, at most."""


MOST_FAILOVERS = 4


class Fault(NamedTuple):
    at: float
    """Seconds since the history's start."""
    kind: str
    seed: int
    """The seed of what the fault itself draws: which node, how long."""

    @property
    def rng(self) -> Random:
        return Random(self.seed)


def schedule(seed: int) -> tuple[Fault, ...]:
    """Draws the faults of a history. A history has only some kinds of faults, so that they do not hide each other."""
    rng = Random(f"schedule {seed}")
    probability = rng.choice([0.1, 0.25, 0.5])
    span = rng.choice([400.0, 1200.0, 3000.0])
    faults = []
    for kind, count in MOST.items():
        if rng.random() < probability:
            times = [round(rng.uniform(0, span), 3) for _ in range(rng.randint(1, count))]
            faults += [Fault(at, kind, rng.getrandbits(32)) for at in times]
    return tuple(sorted(faults))


def failovers(seed: int) -> tuple[Fault, ...]:
    """Draws the failovers of a database that replicates asynchronously. They are a dimension of their own: any history
    can be run with them, and without."""
    rng = Random(f"failovers {seed}")
    span = rng.choice([400.0, 1200.0, 3000.0])
    times = sorted(round(rng.uniform(0, span), 3) for _ in range(rng.randint(1, MOST_FAILOVERS)))
    return tuple(Fault(at, "failover", rng.getrandbits(32)) for at in times)


def with_failovers(seed: int) -> tuple[Fault, ...]:
    """Returns the faults of the seed's history and its failovers, in order."""
    return tuple(sorted((*schedule(seed), *failovers(seed))))
