"""Periodic tasks whose intervals another clock measures."""

from __future__ import annotations

import asyncio

import pytest

from fleet.drivers.timers.pace import paced_by
from fleet.drivers.timers.periodic import PeriodicTask


class Pauses:
    """Pauses that end at once, so many times; then one that never ends."""

    def __init__(self, count: int) -> None:
        self.asked: list[float] = []
        self._count = count

    async def pause(self, seconds: float) -> None:
        self.asked.append(seconds)
        if len(self.asked) > self._count:
            await asyncio.Future()


def test_task_runs_after_each_pause_until_the_context_closes() -> None:
    pauses, runs = Pauses(3), asyncio.Queue[int]()

    async def story() -> None:
        task = PeriodicTask("inventory", 2.0, lambda: runs.put_nowait(1))
        async with paced_by(pauses.pause).periodically([task]) as failure:
            for _ in range(3):
                await runs.get()
        assert failure.cancelled()

    asyncio.run(story())

    assert pauses.asked == [2.0] * 4 and runs.empty()


def test_first_error_of_a_task_is_reported_and_ends_the_others() -> None:
    done: list[str] = []

    def broken() -> None:
        raise ValueError("broken")

    async def story() -> None:
        tasks = [
            PeriodicTask("broken", 1.0, broken),
            PeriodicTask("other", 1.0, lambda: done.append("other")),
        ]
        async with paced_by(Pauses(4).pause).periodically(tasks) as failure:
            with pytest.raises(ValueError, match="broken"):
                await failure

    asyncio.run(story())

    assert done == []
