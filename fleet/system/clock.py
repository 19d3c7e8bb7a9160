"""The wall's clock. With that of a simulated home it is the only one that use cases and drivers look at."""

from __future__ import annotations

from datetime import UTC, datetime


class WallClock:
    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the edge where time comes in

    async def sleep(self, seconds: float) -> None:
        import asyncio  # not for those who only look at the clock, as fleet status does

        await asyncio.sleep(max(0.0, seconds))
