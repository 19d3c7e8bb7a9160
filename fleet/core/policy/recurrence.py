"""Expands recurrence rules of RFC 5545 on the wall clock, without time zones: `fleet.core.policy.windows` turns the
wall-clock times into moments.

`dateutil.rrule` computes the dates. Its own handling of time zones is not used, because fleet has a rule of its own for
the nights in which clocks are changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta

from dateutil.rrule import rrulestr

from fleet.core.policy.policy import RecurringWindow

CYCLE = 400
"""The Gregorian calendar repeats after so many years, to the day of the week."""
LAST_CYCLE = 9600
"""dateutil searches for an occurrence until the year 9999. From this year on the search is short."""


class Occurrences:
    """The wall-clock times at which one window opens, without a time zone. They are computed as far as they are asked
    for, and kept."""

    def __init__(self, window: RecurringWindow) -> None:
        self.window = window
        self.duration = timedelta(seconds=window.seconds)
        self._shift = timedelta(seconds=window.shift_seconds)
        self._removed = frozenset(window.removed)
        self._added = sorted(set(window.added))
        self._known: list[datetime] = []
        self._rest: Iterator[datetime] | None = _dates(window)

    def __reduce__(self) -> tuple[type[Occurrences], tuple[RecurringWindow]]:
        """Makes copies anew from the window, because the rest of a rule cannot be copied."""
        return Occurrences, (self.window,)

    def between(self, begin: datetime, end: datetime) -> list[datetime]:
        """Returns the openings in [begin, end), sorted. Both are wall-clock times without a time zone."""
        while self._rest is not None and (not self._known or self._known[-1] < end):
            following = next(self._rest, None)
            if following is None:
                self._rest = None
            else:
                self._known.append(following + self._shift)
        times = {*_part(self._known, begin, end), *_part(self._added, begin, end)}
        return sorted(times - self._removed) if times else []


def occurs(rule: str, start: datetime) -> bool:
    """Returns whether the rule has any occurrence from `start` on; a 30 February has none. Raises ValueError for a text
    that is no rule."""
    endless = ";".join(part for part in rule.split(";") if not part.upper().startswith(("COUNT=", "UNTIL=")))
    late = start.replace(year=LAST_CYCLE + start.year % CYCLE)
    if next(iter(rrulestr(endless, dtstart=late)), None) is None:
        return False
    return next(iter(rrulestr(rule, dtstart=start)), None) is not None


def matches(rule: str, start: datetime) -> bool:
    """Returns whether the rule itself gives `start`. If it does not, RFC 5545 leaves undefined whether `start` counts."""
    return next(iter(rrulestr(rule, dtstart=start)), None) == start


def _dates(window: RecurringWindow) -> Iterator[datetime]:
    if not window.rule:
        return iter((window.start,))
    return iter(rrulestr(window.rule, dtstart=window.start))


def _part(moments: list[datetime], begin: datetime, end: datetime) -> list[datetime]:
    return moments[bisect_left(moments, begin) : bisect_left(moments, end)]
