"""Expands recurrence rules of RFC 5545 on the wall clock, without time zones: `fleet.core.policy.windows` turns the
wall-clock times into moments.

`dateutil.rrule` computes the dates. Its own handling of time zones is not used, because fleet has a rule of its own for
the nights in which clocks are changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from fleet.core.policy.times.window import RecurringWindow

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
        self._since: datetime | None = None
        """The first time that was ever asked for; nothing earlier is known."""
        self._rest: Iterator[datetime] | None = None

    def __reduce__(self) -> tuple[type[Occurrences], tuple[RecurringWindow]]:
        """Makes copies anew from the window, because the rest of a rule cannot be copied."""
        return Occurrences, (self.window,)

    def between(self, begin: datetime, end: datetime) -> list[datetime]:
        """Returns the openings in [begin, end), sorted. Both are wall-clock times without a time zone."""
        if self._since is None or begin < self._since:
            self._since, self._known = begin, []
            self._rest = _dates(self.window, begin - self._shift if begin.year > 1 else begin)
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
    if next(iter(_rule(endless, late)), None) is None:
        return False
    return next(iter(_rule(rule, start)), None) is not None


def matches(rule: str, start: datetime) -> bool:
    """Returns whether the rule itself gives `start`. If it does not, RFC 5545 leaves undefined whether `start` counts."""
    return next(iter(_rule(rule, start)), None) == start


def _rule(text: str, start: datetime) -> Iterable[datetime]:
    # Most fleets have no such rule, and dateutil takes as long to import as ten modules of fleet.
    from dateutil.rrule import rrulestr

    dates: Iterable[datetime] = rrulestr(text, dtstart=start)
    return dates


def _dates(window: RecurringWindow, since: datetime) -> Iterator[datetime]:
    """Returns the dates of the rule from `since` on, with some before it."""
    if not window.rule:
        return iter((window.start,))
    return iter(_rule(window.rule, _later_start(window, since)))


def _later_start(window: RecurringWindow, since: datetime) -> datetime:
    """Returns a start shortly before `since` from which the rule gives the same dates, so that those of decades before are
    not computed. Only daily and weekly rules have many, and a COUNT has to be counted from the start."""
    parts = dict(part.split("=", 1) for part in window.rule.split(";"))
    days = {"DAILY": 1, "WEEKLY": 7}.get(parts["FREQ"])
    if days is None or "COUNT" in parts:
        return window.start
    step = timedelta(days=days * int(parts.get("INTERVAL", "1")))
    # One step more, because the days of its week that are before a start are not dates.
    return window.start + max(0, (since - window.start) // step - 1) * step


def _part(moments: list[datetime], begin: datetime, end: datetime) -> list[datetime]:
    return moments[bisect_left(moments, begin) : bisect_left(moments, end)]
