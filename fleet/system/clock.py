"""Time at the edge: the protocol by which drivers and adapters get the time, and the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time. A simulated one may run faster than the wall clock."""

    def now(self) -> datetime:
        """Returns the time, aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class WallClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        """Returns the time, aware UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the edge where time comes in

    async def sleep(self, seconds: float) -> None:
        """Sleeps for this many seconds; not at all for a negative number."""
        import asyncio  # not for commands that only read the time, as fleet status does

        await asyncio.sleep(max(0.0, seconds))
