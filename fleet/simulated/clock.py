"""A clock that runs faster than the wall's, and stands still while nobody runs it."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import msgspec
from msgspec import Struct

SAVE_SECONDS = 0.2
"""Of the wall: how old the saved time may be while the clock runs."""


class SavedClock(Struct, frozen=True):
    at: datetime
    speed: float


class SimulatedClock:
    """Stands still until `run`. Only here, at the edge of the simulation, the wall's clock is read."""

    def __init__(self, at: datetime, speed: float = 1.0, path: Path | None = None) -> None:
        """`at`: aware UTC. `speed`: simulated seconds in one of the wall's. `path`: where the time is kept."""
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self._at = at
        self._path = path
        self._since: float | None = None
        self._saved = 0.0

    @classmethod
    def load(cls, path: Path) -> SimulatedClock:
        """Raises FileNotFoundError, and msgspec.DecodeError for a file that is none of ours."""
        saved = msgspec.json.decode(path.read_bytes(), type=SavedClock)
        return cls(saved.at, saved.speed, path)

    def run(self) -> None:
        if self._since is None:
            self._since = monotonic()

    def stop(self) -> None:
        """Keeps the time that it is."""
        self._at, self._since = self.now(), None
        self.save()

    def now(self) -> datetime:
        if self._since is None:
            return self._at
        return self._at + timedelta(seconds=(monotonic() - self._since) * self.speed)

    def at_least(self, at: datetime) -> None:
        """Jumps forward to that time, if it is later: what has been seen to happen is not in the future."""
        if at > self.now():
            self._at = at
            if self._since is not None:
                self._since = monotonic()

    async def sleep(self, seconds: float) -> None:
        """Raises ValueError on a clock that stands still: it would be for ever."""
        if self._since is None:
            raise ValueError("the simulated clock stands still")
        await asyncio.sleep(max(0.0, seconds) / self.speed)
        if monotonic() - self._saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        self._saved = monotonic()
        if self._path is not None:
            write(self._path, msgspec.json.encode(SavedClock(self.now(), self.speed)))


def write(path: Path, data: bytes) -> None:
    """As a whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
