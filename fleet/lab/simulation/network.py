"""The network to one cluster's API server, which loses, delays, doubles or refuses requests and events."""

from __future__ import annotations

from random import Random

from msgspec import Struct

from fleet.core.rollout.action import AnyAction, Cordon, Evict, Mark, Result, Uncordon, Unmark

ROUND_TRIP = 0.04
TIMEOUT = 10.0
"""Seconds until a driver stops waiting for an answer."""
LATEST = 8.0
"""Seconds by which an event is late, at most."""


class Fate(Struct, frozen=True):
    """The fate of one action: whether it reaches the server, when, and what answer the driver gets."""

    takes: float = ROUND_TRIP / 2
    """Seconds until the action takes effect."""
    effect: bool = True
    answers: float = ROUND_TRIP / 2
    """Seconds from then until the driver gets an answer."""
    instead: Result | None = None
    """The answer that the driver gets in place of the server's."""
    detail: str = ""
    retry_after: float | None = None


LOST_BEFORE = Fate(effect=False, answers=TIMEOUT, instead=Result.UNKNOWN, detail="timed out")
LOST_AFTER = Fate(answers=TIMEOUT, instead=Result.UNKNOWN, detail="timed out")
FAILED = Fate(effect=False, instead=Result.FAILED, detail="500: etcdserver: request timed out")
OVERLOADED = Fate(effect=False, instead=Result.FAILED, detail="503: service unavailable")
FORBIDDEN = Fate(effect=False, instead=Result.FAILED, detail="403: nodes is forbidden: cannot patch resource")
CONFLICT = Fate(effect=False, instead=Result.STALE, detail="409: the object has been modified")


class Network:
    def __init__(self, seed: int, cluster: str) -> None:
        self._name = f"{seed} {cluster}"
        self._until: dict[str, float] = {}
        self.late: dict[str, float] = {}
        """Kinds of objects whose events are late, each with the most seconds."""

    def begin(self, kind: str, until: float) -> None:
        self._until[kind] = max(until, self._until.get(kind, 0.0))

    def end(self, kind: str) -> None:
        self._until.pop(kind, None)

    def has(self, kind: str, at: float) -> bool:
        return at < self._until.get(kind, 0.0)

    def fate(self, action: AnyAction, at: float) -> Fate:
        """Draws what happens to an action that is sent now."""
        rng = Random(f"{self._name} {action.id} {at:.3f}")
        if self.has("away", at):
            return LOST_BEFORE
        if self.has("timeouts", at) and rng.random() < 0.5:
            return rng.choice([LOST_BEFORE, LOST_AFTER])
        if self.has("errors", at) and rng.random() < 0.5:
            return rng.choice([FAILED, OVERLOADED])
        if self.has("forbidden", at) and isinstance(action, Mark | Unmark | Cordon | Uncordon):
            return FORBIDDEN
        if self.has("conflicts", at) and rng.random() < 0.5 and not isinstance(action, Evict):
            return CONFLICT
        if self.has("busy", at) and rng.random() < 0.5 and isinstance(action, Evict):
            after = rng.choice([None, 1.0, 10.0])
            return Fate(effect=False, instead=Result.REFUSED, detail="429: busy", retry_after=after)
        if self.has("slow", at):
            return Fate(takes=rng.uniform(0, 4), answers=rng.uniform(0, 4))
        return Fate()

    def delay(self, kind: str, at: float, rng: Random) -> float:
        """Returns the seconds until an event of that kind of object arrives."""
        if self.has("late events", at) and kind in self.late:
            return rng.uniform(0, self.late[kind])
        return ROUND_TRIP / 2
