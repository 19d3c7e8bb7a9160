"""How far a staging has come."""

from __future__ import annotations

from collections.abc import Callable

ReportPercent = Callable[[int], None]
"""Is called with the percent that is done, 0 to 100, as often as it is known; returns at once."""
