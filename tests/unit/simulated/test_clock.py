"""Simulated time runs as fast as it should, and stands still when nobody runs it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from fleet.simulated.clock import SimulatedClock
from tests.unit.model.builder import START


def test_it_stands_still_until_it_runs() -> None:
    clock = SimulatedClock(START, speed=1e6)

    assert clock.now() == START
    clock.run()
    assert clock.now() > START


def test_sleeping_takes_the_walls_time_divided_by_the_speed() -> None:
    clock = SimulatedClock(START, speed=1000)
    clock.run()
    began = monotonic()

    asyncio.run(clock.sleep(50))

    assert 0.05 <= monotonic() - began < 5
    assert clock.now() >= START + timedelta(seconds=50)


def test_sleeping_on_a_clock_that_stands_still_is_an_error() -> None:
    with pytest.raises(ValueError, match="stands still"):
        asyncio.run(SimulatedClock(START).sleep(1))


def test_a_stopped_clock_goes_on_where_it_was_in_another_process(tmp_path: Path) -> None:
    clock = SimulatedClock(START, speed=1000, path=tmp_path / "clock.json")
    clock.run()
    asyncio.run(clock.sleep(20))
    clock.stop()

    again = SimulatedClock.load(tmp_path / "clock.json")

    assert again.now() == clock.now() >= START + timedelta(seconds=20)
    assert again.speed == 1000


def test_it_jumps_to_what_has_happened_and_never_back() -> None:
    clock = SimulatedClock(START)
    clock.at_least(START + timedelta(hours=1))
    clock.at_least(START)

    assert clock.now() == START + timedelta(hours=1)


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        SimulatedClock(START, speed=0)
