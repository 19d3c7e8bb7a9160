"""A clock that runs faster than the wall clock, and stands still while no process uses it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import msgspec
from msgspec import Struct

SAVE_SECONDS = 0.2
"""The maximum age of the saved time while the clock runs, in wall-clock seconds."""


class SavedClock(Struct, frozen=True):
    at: datetime
    speed: float


class SimulatedClock:
    """Stands still until `run` is called. Only here, at the edge of the simulation, is the wall clock read."""

    def __init__(self, at: datetime, speed: float = 1.0, path: Path | None = None) -> None:
        """`at`: aware UTC. `speed`: simulated seconds per second of the wall clock. `path`: where the time is saved."""
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self._at = at
        self._path = path
        self._since: float | None = None
        self._saved = 0.0

    @classmethod
    def load(cls, path: Path) -> SimulatedClock:
        """Returns the saved clock. Raises FileNotFoundError, and msgspec.DecodeError for a file that is not fleet's."""
        saved = msgspec.json.decode(path.read_bytes(), type=SavedClock)
        return cls(saved.at, saved.speed, path)

    def run(self) -> None:
        if self._since is None:
            self._since = monotonic()

    def stop(self) -> None:
        """Saves the current time."""
        self._at, self._since = self.now(), None
        self.save()

    def now(self) -> datetime:
        if self._since is None:
            return self._at
        return self._at + timedelta(seconds=(monotonic() - self._since) * self.speed)

    def at_least(self, at: datetime) -> None:
        """Jumps forward to that time if it is later: an event that was seen is never in the future."""
        if at > self.now():
            self._at = at
            if self._since is not None:
                self._since = monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleeps until that time. Raises ValueError if the clock stands still: the sleep would never end."""
        if self._since is None:
            raise ValueError("the simulated clock stands still")
        await asyncio.sleep(max(0.0, seconds) / self.speed)
        if monotonic() - self._saved >= SAVE_SECONDS:
            self.save()

    def soon(self, save: Callable[[], None], wait: float) -> Callable[[], None]:
        """Calls `save` after so many seconds of the wall clock. Returns what cancels that."""
        return asyncio.get_running_loop().call_later(wait, save).cancel

    def save(self) -> None:
        self._saved = monotonic()
        if self._path is not None:
            write(self._path, msgspec.json.encode(SavedClock(self.now(), self.speed)))


def write(path: Path, data: bytes) -> None:
    """Writes the file as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
