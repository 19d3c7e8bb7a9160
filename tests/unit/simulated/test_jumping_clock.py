"""The clock jumps over time in which nothing happens, and stands still while anything outside of its loop works."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from fleet.simulated.clock import SimulatedClock
from fleet.simulated.jumping_clock import JumpingClock, JumpingLoop
from tests.unit.model.builder import START

QUARTER = 13 * 7 * 86400.0


def on(clock: JumpingClock, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner:
        runner.run(story())


def since(clock: JumpingClock) -> float:
    return (clock.now() - START).total_seconds()


def test_sleepers_wake_up_in_the_order_of_their_times_with_nothing_in_between() -> None:
    clock = JumpingClock(START, 60.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, since(clock)))

    async def story() -> None:
        await asyncio.gather(sleeper("quarter", QUARTER), sleeper("hour", 3600), sleeper("also", 3600))

    on(clock, story)

    assert woken == [("hour", 3600.0), ("also", 3600.0), ("quarter", QUARTER)]


def test_sleep_below_a_microsecond_ends_later_than_it_began() -> None:
    clock = JumpingClock(START, 60.0)
    on(clock, lambda: clock.sleep(1e-9))
    assert clock.now() > START


def test_pause_ends_only_after_something_has_happened() -> None:
    clock = JumpingClock(START, 60.0)
    looks: list[float] = []

    async def look() -> None:
        while True:
            await clock.pause(2.0)
            looks.append(since(clock))

    async def story() -> None:
        looking = asyncio.create_task(look())
        await clock.sleep(3600)
        await clock.sleep(QUARTER)
        looking.cancel()

    on(clock, story)

    # The first pause was over when the first event came. The second one began after it, and nothing has happened since.
    assert looks == [3600.0]


def test_pause_that_is_over_before_the_next_event_ends_there() -> None:
    clock = JumpingClock(START, 60.0)
    order: list[tuple[str, float]] = []

    async def look() -> None:
        await clock.pause(3)
        order.append(("look", since(clock)))

    async def story() -> None:
        looking = asyncio.create_task(look())
        for seconds in (1, 9):
            await clock.sleep(seconds)
            order.append(("event", since(clock)))
        await looking

    on(clock, story)

    assert order == [("event", 1.0), ("look", 3.0), ("event", 10.0)]


def test_clock_stands_still_while_a_thread_works_which_finds_everything_saved() -> None:
    clock = JumpingClock(START, 60.0)
    saved: list[str] = []
    seen: list[object] = []

    def work(loop: asyncio.AbstractEventLoop) -> None:
        seen.append(list(saved))
        before = clock.now()
        for _ in range(3):
            turned = Event()
            loop.call_soon_threadsafe(turned.set)
            assert turned.wait(30)
        seen.append(clock.now() - before)

    async def story() -> None:
        clock.soon(lambda: saved.append("cluster"), 0.2)
        cancel = clock.soon(lambda: saved.append("cancelled"), 0.2)
        cancel()
        thread = asyncio.create_task(asyncio.to_thread(work, asyncio.get_running_loop()))
        await clock.sleep(QUARTER)
        assert thread.done()

    on(clock, story)

    assert seen == [["cluster"], timedelta()]


def test_clock_stands_still_while_a_connection_is_open() -> None:
    clock = JumpingClock(START, 60.0)
    heard: list[datetime] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:

            def receive() -> None:
                heard.append(clock.now())
                loop.remove_reader(ours)

            loop.add_reader(ours, receive)
            loop.call_later(0.01, theirs.send, b"x")
            await clock.sleep(QUARTER)

    on(clock, story)

    assert heard == [START]


def test_other_processes_read_a_clock_that_stands_still(tmp_path: Path) -> None:
    clock = JumpingClock(START, 60.0, tmp_path / "clock.json")
    on(clock, lambda: clock.sleep(QUARTER))
    clock.save()

    loaded = SimulatedClock.load(tmp_path / "clock.json")

    assert (loaded.now(), loaded.speed) == (START + timedelta(seconds=QUARTER), 60.0)
