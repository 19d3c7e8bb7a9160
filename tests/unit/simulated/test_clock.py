"""Simulated time runs as fast as it should, and stands still when no process runs it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from fleet.simulated.clock import SimulatedClock
from tests.unit.model.builder import START


def test_clock_stands_still_until_it_runs() -> None:
    clock = SimulatedClock(START, speed=1e6)

    assert clock.now() == START
    clock.run()
    assert clock.now() > START


def test_sleep_takes_wall_time_divided_by_the_speed() -> None:
    clock = SimulatedClock(START, speed=1000)
    clock.run()
    began = monotonic()

    asyncio.run(clock.sleep(50))

    assert 0.05 <= monotonic() - began < 5
    assert clock.now() >= START + timedelta(seconds=50)


def test_sleep_on_a_stopped_clock_is_an_error() -> None:
    with pytest.raises(ValueError, match="stands still"):
        asyncio.run(SimulatedClock(START).sleep(1))


def test_stopped_clock_continues_where_it_was_in_another_process(tmp_path: Path) -> None:
    clock = SimulatedClock(START, speed=1000, path=tmp_path / "clock.json")
    clock.run()
    asyncio.run(clock.sleep(20))
    clock.stop()

    again = SimulatedClock.load(tmp_path / "clock.json")

    assert again.now() == clock.now() >= START + timedelta(seconds=20)
    assert again.speed == 1000


def test_clock_jumps_forward_to_past_events_and_never_back() -> None:
    clock = SimulatedClock(START)
    clock.at_least(START + timedelta(hours=1))
    clock.at_least(START)

    assert clock.now() == START + timedelta(hours=1)


def test_speed_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        SimulatedClock(START, speed=0)
