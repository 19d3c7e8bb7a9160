"""The clock of a simulated home: it stands still until a controller runs it, and other processes read what it saves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.simulated.clock import SimulatedClock
    from fleet.system.clock import Clock

CLOCK = "clock.json"
"""Name of the clock's file, beside the simulated clusters."""


def saved_clock(folder: Path) -> SimulatedClock | None:
    """Returns the clock as it was saved last. None: the folder has none, so that the wall's clock counts."""
    saved = folder / CLOCK
    if not saved.exists():
        return None
    from fleet.simulated.clock import SimulatedClock

    return SimulatedClock.load(saved)


@asynccontextmanager
async def running(clock: Clock) -> AsyncIterator[None]:
    """Lets simulated time pass, seen by other processes, until the block ends. The wall's clock needs nothing."""
    import asyncio  # not for a command that only asks for the time, as fleet status does

    from fleet.simulated.clock import SAVE_SECONDS, SimulatedClock

    if not isinstance(clock, SimulatedClock):
        yield
        return

    async def save_often() -> None:
        while True:
            clock.save()
            await asyncio.sleep(SAVE_SECONDS)

    clock.run()
    saving = asyncio.create_task(save_often())
    try:
        yield
    finally:
        saving.cancel()
        clock.stop()
