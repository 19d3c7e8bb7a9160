"""Decides how a controller waits for what comes without an event: a command in the journal, the time of a periodic
task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from fleet.drivers.timers.periodic import PeriodicTask, run_periodically

Pause = Callable[[float], Awaitable[None]]
"""Waits for this many seconds before the next look."""


class Pace(NamedTuple):
    """Both ways in which a controller waits for its next look."""

    pause: Pause
    periodically: Callable[[Sequence[PeriodicTask]], AbstractAsyncContextManager[asyncio.Future[None]]]
    """Runs periodic tasks while the context is open, as `run_periodically` does."""


WALL = Pace(asyncio.sleep, run_periodically)
"""Looks at intervals of real time: the pace of every controller but that of a simulation on a clock that jumps."""


def paced_by(pause: Pause) -> Pace:
    """Returns a pace whose intervals are all measured by `pause`."""

    @asynccontextmanager
    async def periodically(tasks: Sequence[PeriodicTask]) -> AsyncIterator[asyncio.Future[None]]:
        failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = [asyncio.create_task(_repeat(task, pause, failure)) for task in tasks]
        try:
            yield failure
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if not failure.done():
                failure.cancel()

    return Pace(pause, periodically)


async def _repeat(task: PeriodicTask, pause: Pause, failure: asyncio.Future[None]) -> None:
    """Runs the task at its interval until one of the tasks fails: `failure` gets the first error."""
    while True:
        await pause(task.seconds)
        if failure.done():
            return
        try:
            task.do()
        except Exception as error:
            failure.set_exception(error)
            return
