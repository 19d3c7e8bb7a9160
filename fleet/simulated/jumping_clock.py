"""A simulated clock that never waits: whenever nothing is left to do at a moment, it jumps to the next one.

A controller runs on it as on any other clock, so that a quarter of a year passes in about a minute. The clock belongs to
one event loop, `JumpingLoop`, which is what knows that nothing is left to do.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from selectors import DefaultSelector, SelectorKey
from typing import NamedTuple, TypeVar, TypeVarTuple, Unpack

from fleet.simulated.clock import SimulatedClock

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
WAKE_UP = 1
"""The number of files that an idle event loop watches: the one by which threads and signals wake it up."""


class Sleeper(NamedTuple):
    """One call of `sleep` or `pause`."""

    at: datetime
    number: int
    """The order of calls, which decides between equal times."""
    after: int
    """The number of events before the call."""
    future: asyncio.Future[None]


class JumpingClock(SimulatedClock):
    """A clock for a whole simulation in one process. What it saves is a clock that stands still: other processes read the
    time of the last save."""

    def __init__(self, at: datetime, speed: float, path: Path | None = None) -> None:
        """`at`: aware UTC. `speed`: that of the clock as other processes load it. `path`: where the time is saved."""
        super().__init__(at, speed, path)
        self._sleepers: list[Sleeper] = []
        self._pauses: list[Sleeper] = []
        self._number = 0
        self._events = 0
        self._unsaved: dict[Callable[[], None], None] = {}

    def run(self) -> None:
        """Does nothing: the clock jumps, and never runs."""

    async def sleep(self, seconds: float) -> None:
        """Sleeps until that time, to which the clock jumps."""
        await self._wait(self._sleepers, seconds)

    async def pause(self, seconds: float) -> None:
        """Waits before a look at what may have changed without an event. The clock does not jump for it alone: the pause
        ends only if something has happened since it began, that many seconds later at the earliest."""
        await self._wait(self._pauses, seconds)

    def happened(self) -> None:
        """Notes that something has happened after which pauses end: a sleeper woke up, a thread has ended."""
        self._events += 1

    def jump(self) -> bool:
        """Jumps to the next moment, and wakes up who waits for it. Returns False if nobody waits for any."""
        if not self._sleepers:
            return False
        following = self._sleepers[0].at
        looks = [each for each in self._pauses if each.after < self._events and each.at < following]
        if looks:
            first = looks[0]
            self.at_least(first.at)
            first.future.set_result(None)
            return True
        self.at_least(following)
        self.happened()
        for each in list(self._sleepers):
            if each.at <= following:
                each.future.set_result(None)
        return True

    def soon(self, save: Callable[[], None], wait: float) -> Callable[[], None]:
        """Calls `save` before anything outside of the loop can look, and at the end."""
        self._unsaved[save] = None
        return lambda: self._unsaved.pop(save, None)

    def settle(self) -> None:
        """Saves the time, and what is to be saved soon."""
        unsaved, self._unsaved = self._unsaved, {}
        for save in unsaved:
            save()
        self.save()

    async def _wait(self, waiting: list[Sleeper], seconds: float) -> None:
        # Rounded up: a moment that has not quite come would be waited for again, without an end.
        at = self.now() + timedelta(microseconds=ceil(max(0.0, seconds) * 1e6))
        self._number += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = Sleeper(at, self._number, self._events, future)
        insort(waiting, sleeper)
        try:
            await future
        finally:
            waiting.remove(sleeper)


class JumpingLoop(asyncio.SelectorEventLoop):
    """The event loop of one jumping clock. While a thread works, or a connection or a program is open, the clock stands
    still."""

    def __init__(self, clock: JumpingClock) -> None:
        self.clock = clock
        self.threads = 0
        """The number of threads that work."""
        super().__init__(JumpingSelector(self))

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[Arguments]], T],
        *args: *Arguments,
    ) -> asyncio.Future[T]:
        """Runs a function in a thread, which finds everything saved. The clock stands still meanwhile."""
        self.clock.settle()
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: asyncio.Future[T]) -> None:
        self.threads -= 1
        self.clock.happened()


class JumpingSelector(DefaultSelector):
    """Lets the clock jump where the loop would wait."""

    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Returns what is ready, at once if the clock has jumped."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        busy = self._loop.threads or len(self.get_map()) > WAKE_UP
        if not busy and self._loop.clock.jump():
            return []
        return super().select(timeout)
