"""Reads a moment as a user gives it: a day, a time, or how long ago. No other code reads them from a command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_AGO = re.compile(r"-(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
FIRST_YEAR, LAST_YEAR = 1970, 9000
FORMS = "2026-09-01, 2026-09-01T10:00Z or -7d"


def moment(text: str, now: datetime) -> datetime:
    """Returns the moment in UTC. A day is its first moment; a time without an offset is in UTC; -7d is seven days before
    `now` (m, h, d and w are minutes, hours, days and weeks). Raises ValueError with a message for another text."""
    found = _ago(text, now)
    try:
        if found is None and _DAY.fullmatch(text):
            found = datetime.combine(date.fromisoformat(text), time(), UTC)
        elif found is None and _TIME.fullmatch(text):
            read = datetime.fromisoformat(text)
            found = (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"expected a moment such as {FORMS}, found {text!r}")
    return found


def day(text: str, now: datetime) -> date:
    """Returns the day in UTC: `2026-10-01`, or -7d for the day a week before `now`. Raises ValueError with a message for
    another text, and for a time of day."""
    try:
        if _TIME.fullmatch(text):
            raise ValueError(text)
        return moment(text, now).date()
    except ValueError:
        raise ValueError(f"expected a day such as 2026-10-01, found {text!r}") from None


def _ago(text: str, now: datetime) -> datetime | None:
    parsed = _AGO.fullmatch(text)
    if parsed is None:
        return None
    try:
        return now.astimezone(UTC) - timedelta(**{_UNITS[parsed[2]]: int(parsed[1])})
    except OverflowError:
        return None
