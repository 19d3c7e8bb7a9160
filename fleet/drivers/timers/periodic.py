"""Runs a controller's periodic tasks, such as renewing its lease and writing the inventory, by APScheduler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from apscheduler.schedulers.asyncio import AsyncIOScheduler


class PeriodicTask(NamedTuple):
    """A function that runs at a fixed interval, in seconds."""

    name: str
    seconds: float
    do: Callable[[], object]


@asynccontextmanager
async def run_periodically(tasks: Sequence[PeriodicTask]) -> AsyncIterator[asyncio.Future[None]]:
    """Runs every task at its interval while the context is open, never twice at once; late rather than not at all.

    Yields a future that fails with the first error of a task: to be awaited beside the work. From then on nothing is
    done any more: a task that waits for a locked database again and again would keep the work from ending.
    """
    failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    scheduler: Any = AsyncIOScheduler(timezone="UTC")

    def guarded(task: PeriodicTask) -> Callable[[], Any]:
        async def once() -> None:
            if failure.done():
                return
            try:
                task.do()
            except Exception as error:
                failure.set_exception(error)

        return once

    for task in tasks:
        scheduler.add_job(
            guarded(task),
            "interval",
            seconds=task.seconds,
            id=task.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    try:
        yield failure
    finally:
        scheduler.shutdown(wait=False)
        if not failure.done():
            failure.cancel()


async def until_failure(work: asyncio.Task[None], failure: asyncio.Future[None]) -> None:
    """Waits until the work ends, or until a periodic task fails: then the work is stopped. Raises what ended it."""
    try:
        await asyncio.wait({work, failure}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not work.done():
            work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    if failure.done() and not failure.cancelled():
        failure.result()
    if not work.cancelled():
        work.result()
