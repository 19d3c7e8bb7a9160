"""The clock of a simulated home: it stands still until a controller runs it, and other processes read the saved
time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.simulated.clock import SimulatedClock
    from fleet.system.clock import Clock

CLOCK = "clock.json"
"""Name of the clock's file, in the folder of the simulated clusters."""


def saved_clock(folder: Path) -> SimulatedClock | None:
    """Returns the clock as it was last saved. None: the folder has none, so that the wall clock counts."""
    saved = folder / CLOCK
    if not saved.exists():
        return None
    from fleet.simulated.clock import SimulatedClock

    return SimulatedClock.load(saved)


@asynccontextmanager
async def running(clock: Clock) -> AsyncIterator[None]:
    """Lets simulated time pass, visible to other processes, until the block ends. For the wall clock nothing is
    done."""
    import asyncio  # not for a command that only reads the time, as fleet status does

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
