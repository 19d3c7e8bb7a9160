"""An oracle for windows: it looks at the clock on the wall and at the calendar, day by day. It shares no code with fleet
and uses no library for recurrence rules.

A rule is written as a function of a date, in the terms of people: "is this the second Tuesday?".
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

OnDay = Callable[[date], bool]
DAY = timedelta(days=1)


class Opening(NamedTuple):
    """A window as people say it: on which days it opens, at which time, and for how long on the wall clock."""

    rrule: str
    """The same as an RRULE, for fleet."""
    on: OnDay
    clock: time
    length: timedelta
    later: timedelta = timedelta()
    """How much later than on the day itself it opens."""


def nth_weekday(day: date, nth: int, weekday: int) -> bool:
    return day.weekday() == weekday and (day.day - 1) // 7 + 1 == nth


def last_weekday(day: date, weekday: int) -> bool:
    return day.weekday() == weekday and day.day + 7 > calendar.monthrange(day.year, day.month)[1]


def last_working_day(day: date) -> bool:
    days = calendar.monthrange(day.year, day.month)[1]
    working = [number for number in range(1, days + 1) if day.replace(day=number).weekday() < 5]
    return day.day == working[-1]


def every_other_week(day: date, first: date) -> bool:
    """The weeks begin on Monday."""
    monday = first - first.weekday() * DAY
    return ((day - monday).days // 7) % 2 == 0


FIRST = date(2024, 1, 2)
OPENINGS = (
    Opening("FREQ=MONTHLY;BYDAY=2TU", lambda day: nth_weekday(day, 2, 1), time(22), timedelta(hours=5)),
    Opening(
        "FREQ=MONTHLY;BYDAY=2TU",
        lambda day: nth_weekday(day, 2, 1),
        time(2, 30),
        timedelta(hours=2),
        timedelta(days=3),
    ),
    Opening("FREQ=MONTHLY;BYDAY=-1SU", lambda day: last_weekday(day, 6), time(1, 30), timedelta(hours=2)),
    Opening("FREQ=DAILY", lambda day: True, time(2, 15), timedelta(minutes=30)),
    Opening(
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU",
        lambda day: day.weekday() >= 5 and every_other_week(day, FIRST),
        time(23, 45),
        timedelta(hours=4),
    ),
    Opening("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", last_working_day, time(0), timedelta(days=1)),
    Opening("FREQ=MONTHLY;BYMONTHDAY=31", lambda day: day.day == 31, time(3), timedelta(hours=3)),
    Opening(
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", lambda day: (day.month, day.day) == (2, 29), time(0), 2 * DAY
    ),
)
"""Rules of all kinds that people have, at times of day at which clocks are changed somewhere."""


class WallClock:
    """Says whether one of the openings contains a moment, by a clock on the wall in the zone."""

    def __init__(self, zone: str, openings: Sequence[Opening], first: date = FIRST) -> None:
        self._zone = ZoneInfo(zone)
        self._openings = openings
        self._first = first
        self._days: dict[date, list[tuple[datetime, datetime]]] = {}

    def is_open(self, moment: datetime) -> bool:
        wall = moment.astimezone(self._zone).replace(tzinfo=None)
        return any(begin <= wall < end for begin, end in self._around(wall.date()))

    def _around(self, day: date) -> list[tuple[datetime, datetime]]:
        """The openings that may reach into this day, in wall-clock times."""
        if day not in self._days:
            self._days[day] = [
                (begin, begin + each.length)
                for each in self._openings
                for back in range(8)
                if (on := day - back * DAY) >= self._first and each.on(on)
                for begin in [datetime.combine(on, each.clock) + each.later]
            ]
        return self._days[day]

    def spans(self, begin: datetime, end: datetime, step: timedelta) -> list[tuple[datetime, datetime]]:
        """The open spans, by asking at every step; both ends of each are multiples of the step."""
        found: list[tuple[datetime, datetime]] = []
        opened: datetime | None = None
        for moment in _every(step, begin, end):
            is_open = self.is_open(moment)
            if is_open and opened is None:
                opened = moment
            if not is_open and opened is not None:
                found.append((opened, moment))
                opened = None
        if opened is not None:
            found.append((opened, end))
        return found


def _every(step: timedelta, begin: datetime, end: datetime) -> Iterator[datetime]:
    assert begin.tzinfo is UTC
    moment = begin
    while moment < end:
        yield moment
        moment += step
