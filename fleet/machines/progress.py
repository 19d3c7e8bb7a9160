"""The progress of a staging."""

from __future__ import annotations

from collections.abc import Callable

ReportPercent = Callable[[int], None]
"""A callback that receives the progress in percent, 0 to 100, as often as it is known, and returns at once."""
