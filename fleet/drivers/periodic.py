"""What a controller does at fixed intervals, kept by APScheduler: renew its lease, write the inventory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from apscheduler.schedulers.asyncio import AsyncIOScheduler


class PeriodicTask(NamedTuple):
    name: str
    seconds: float
    do: Callable[[], object]


@asynccontextmanager
async def run_periodically(each: Sequence[PeriodicTask]) -> AsyncIterator[asyncio.Future[None]]:
    """While the context is open every duty is done at its interval, never twice at once; late rather than not at all.

    Yields a future that fails with the first error of a duty: to be awaited beside the work. From then on nothing is
    done any more: a duty that waits for a locked database again and again would keep the work from ending.
    """
    failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    scheduler: Any = AsyncIOScheduler(timezone="UTC")

    def guarded(duty: PeriodicTask) -> Callable[[], Any]:
        async def once() -> None:
            if failure.done():
                return
            try:
                duty.do()
            except Exception as error:
                failure.set_exception(error)

        return once

    for duty in each:
        scheduler.add_job(
            guarded(duty),
            "interval",
            seconds=duty.seconds,
            id=duty.name,
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
