"""Time, as an adapter at the edge needs it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, real or simulated."""

    def now(self) -> datetime:
        """Returns the time, aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...
