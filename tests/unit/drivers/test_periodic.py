"""Duties at their intervals, until one fails."""

from __future__ import annotations

import asyncio

import pytest

from fleet.drivers.timers.periodic import PeriodicTask, run_periodically

INTERVAL = 0.01


def test_periodic_tasks_repeat() -> None:
    async def story() -> None:
        often = asyncio.Event()
        calls: list[int] = []

        def note() -> None:
            calls.append(1)
            if len(calls) == 3:
                often.set()

        async with run_periodically([PeriodicTask("note", INTERVAL, note)]):
            await asyncio.wait_for(often.wait(), 10)

    asyncio.run(story())


def test_failure_ends_all_periodic_tasks() -> None:
    """While the work ends, which takes turns of the loop: each would wait for the database again."""
    calls: list[str] = []

    def fail() -> None:
        calls.append("fail")
        raise ValueError("locked")

    async def story() -> None:
        others = [PeriodicTask("other", INTERVAL, lambda: calls.append("other"))]
        async with run_periodically([PeriodicTask("fail", INTERVAL / 2, fail), *others]) as failure:
            with pytest.raises(ValueError, match="locked"):
                await asyncio.wait_for(asyncio.shield(failure), 10)
            before = list(calls)
            await asyncio.sleep(20 * INTERVAL)
            assert calls == before
            assert calls.count("fail") == 1

    asyncio.run(story())
