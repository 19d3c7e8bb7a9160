"""A span of time that a report is about: two days, or a quarter of a year. All times are UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])", re.ASCII)
DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 1970, 9000


class ReportSpan(Struct, frozen=True):
    """A span of time, half-open: [begin, end)."""

    begin: datetime
    end: datetime
    name: str
    """`2026Q4`, or `2026-10-01 to 2026-12-31` with the last day included."""


def quarter(name: str) -> ReportSpan:
    """Returns the quarter of that name, such as `2026Q4`. Raises ValueError with a message for another text."""
    parsed = _QUARTER.fullmatch(name)
    if parsed is None or not FIRST_YEAR <= int(parsed[1]) <= LAST_YEAR:
        raise ValueError(f"expected a quarter such as 2026Q4, found {name!r}")
    return _quarter(int(parsed[1]), int(parsed[2]))


def quarter_of(moment: datetime) -> ReportSpan:
    """Returns the quarter that contains the moment."""
    utc = moment.astimezone(UTC)
    return _quarter(utc.year, (utc.month + 2) // 3)


def days(first: str, last: str) -> ReportSpan:
    """Returns the span from the begin of the first day to the end of the last one, given as `2026-10-01`. Raises
    ValueError with a message for other texts, and where the last day is before the first."""
    begin, until = _day(first), _day(last)
    if until < begin:
        raise ValueError(f"expected a last day on or after {first}, found {last}")
    return ReportSpan(_midnight(begin), _midnight(until) + DAY, f"{begin} to {until}")


def span_of(name: str) -> ReportSpan:
    """Returns the span with this `name`. Raises ValueError with a message for another text."""
    first, separator, last = name.partition(" to ")
    return days(first, last) if separator else quarter(name)


def quarters_until(moment: datetime, count: int) -> Iterator[ReportSpan]:
    """Yields the last `count` quarters up to the one that contains the moment, oldest first."""
    utc = moment.astimezone(UTC)
    last = utc.year * 4 + (utc.month - 1) // 3
    for number in range(last - count + 1, last + 1):
        yield _quarter(number // 4, number % 4 + 1)


def _quarter(year: int, number: int) -> ReportSpan:
    begin = date(year, 3 * number - 2, 1)
    end = date(year + number // 4, 3 * number % 12 + 1, 1)
    return ReportSpan(_midnight(begin), _midnight(end), f"{year}Q{number}")


def _day(text: str) -> date:
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = date.min
    if not FIRST_YEAR <= parsed.year <= LAST_YEAR:
        raise ValueError(f"expected a day such as 2026-10-01, found {text!r}")
    return parsed


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
