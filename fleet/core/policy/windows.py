"""Computes when windows are open: on the wall clocks of their time zones.

A moment is inside a window if a wall clock in the window's zone shows a time of the window. So when clocks are put
forward, a window inside the gap does not occur that night, and one that begins inside the gap opens after it; when
clocks are put back, the hour that occurs twice is inside the window twice. All datetimes are aware unless a docstring
calls them wall-clock times; spans are half-open, in UTC, sorted, and do not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fleet.core.policy.times.recurrence import Occurrences
from fleet.core.policy.times.window import RecurringWindow, Window

OpenSpan = tuple[datetime, datetime]
"""Begin and end of a time in which runs may start, half-open, in UTC."""
Weeks = Callable[[int], list[OpenSpan]]
"""Returns the open spans of one UTC week, by its number."""
ZonePart = tuple[datetime, datetime, timedelta]
"""Begin and end of a time in which a zone keeps one offset from UTC, and the offset."""

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""The Monday from which weeks are counted."""


class LevelWindows:
    """The windows of one level: the fleet, a site, a cluster or a pool. It is open while any of its windows is."""

    def __init__(
        self, name: str, weekly: Sequence[Window], recurring: Sequence[RecurringWindow] = ()
    ) -> None:
        self.name = name
        """The name for users, such as `site fra`."""
        self.zone = next((window.zone for windows in (weekly, recurring) for window in windows), "UTC")
        """The time zone in which moments are shown to users."""
        self.recurs_weekly = not recurring
        self._weekly = tuple(weekly)
        self._recurring = [Occurrences(each) for each in recurring]
        self._weeks: dict[int, list[OpenSpan]] = {}

    def week(self, week: int) -> list[OpenSpan]:
        """Returns the open spans of one UTC week; weeks are counted from that of `MONDAY`."""
        if week not in self._weeks:
            begin = MONDAY + week * WEEK
            spans: list[OpenSpan] = []
            for window in self._weekly:
                for part in zone_parts(window.zone, begin, begin + WEEK):
                    spans.extend(_weekly(window, part))
            for occurrences in self._recurring:
                for part in zone_parts(occurrences.window.zone, begin, begin + WEEK):
                    spans.extend(_recurring(occurrences, part))
            self._weeks[week] = merged(spans)
        return self._weeks[week]

    def without_changes(self, begin: datetime, end: datetime) -> list[OpenSpan]:
        """Returns the open spans of [begin, end), as if no clock were changed after `begin`."""
        spans: list[OpenSpan] = []
        for window in self._weekly:
            spans.extend(_weekly(window, (begin, end, _offset(window.zone, begin))))
        for occurrences in self._recurring:
            spans.extend(_recurring(occurrences, (begin, end, _offset(occurrences.window.zone, begin))))
        return merged(spans)

    def inside(self, begin: datetime, end: datetime) -> list[OpenSpan]:
        """Returns the open spans of [begin, end)."""
        return joined(self.week, begin, end)


def occurrence(start: datetime, duration: timedelta, zone: str) -> list[OpenSpan]:
    """Returns the moments at which a wall clock in the zone shows a time in [start, start + duration). `start` is a
    wall-clock time."""
    begin = start.replace(tzinfo=UTC)
    parts = zone_parts(zone, begin - 2 * DAY, begin + duration + 2 * DAY)
    return merged(span for part in parts for span in _shown(begin, duration, part))


def joined(week_of: Weeks, begin: datetime, end: datetime) -> list[OpenSpan]:
    """Returns the parts of [begin, end) that are inside the spans of their weeks."""
    spans: list[OpenSpan] = []
    week = week_number(begin)
    while MONDAY + week * WEEK < end:
        spans.extend(week_of(week))
        week += 1
    return [
        (max(begin, first), min(end, last)) for first, last in merged(spans) if first < end and last > begin
    ]


def week_number(moment: datetime) -> int:
    return (moment - MONDAY) // WEEK


def common(one: Sequence[OpenSpan], other: Sequence[OpenSpan]) -> list[OpenSpan]:
    """Returns the spans that are inside both."""
    spans = (
        (max(first, begin), min(last, end)) for first, last in one for begin, end in other if begin < last
    )
    return [(first, last) for first, last in spans if first < last]


def merged(unsorted: Iterable[OpenSpan]) -> list[OpenSpan]:
    """Returns the spans sorted; spans that touch or overlap are joined."""
    spans: list[OpenSpan] = []
    for first, last in sorted(unsorted):
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return spans


def _weekly(window: Window, part: ZonePart) -> Iterator[OpenSpan]:
    """Yields the moments of the part that are inside the window."""
    begin, end, offset = part
    length = _since_midnight(window.end) - _since_midnight(window.start)
    if window.end <= window.start:
        length += DAY
    day = datetime.combine((begin + offset).date(), time(), UTC) - DAY
    while day - offset < end:
        if day.weekday() in window.days:
            yield from _shown(day + _since_midnight(window.start), length, part)
        day += DAY


def _recurring(occurrences: Occurrences, part: ZonePart) -> Iterator[OpenSpan]:
    """Yields the moments of the part that are inside the window."""
    begin, end, offset = part
    first = (begin + offset).replace(tzinfo=None) - occurrences.duration
    for start in occurrences.between(first, (end + offset).replace(tzinfo=None)):
        yield from _shown(start.replace(tzinfo=UTC), occurrences.duration, part)


def _shown(start: datetime, duration: timedelta, part: ZonePart) -> Iterator[OpenSpan]:
    """Yields the moments of the part at which the wall clock shows a time in [start, start + duration). `start` is a
    wall-clock time, written as if it were UTC."""
    begin, end, offset = part
    first, last = max(begin, start - offset), min(end, start + duration - offset)
    if first < last:
        yield first, last


def _since_midnight(clock: time) -> timedelta:
    """Returns the time of day as the time since midnight."""
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second)


def _offset(zone: str, moment: datetime) -> timedelta:
    return moment.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()


@lru_cache(maxsize=4096)
def zone_parts(zone: str, begin: datetime, end: datetime) -> tuple[ZonePart, ...]:
    """Returns [begin, end) in parts in which the zone keeps its offset from UTC."""
    info = ZoneInfo(zone)
    parts: list[ZonePart] = []
    first, day = begin, begin
    while day < end:
        after = min(day + DAY, end)
        before = day.astimezone(info).utcoffset() or timedelta()
        if before != (after.astimezone(info).utcoffset() or timedelta()):
            change = _change(before, day, after, info)
            parts.append((first, change, before))
            first = change
        day = after
    if first < end:
        parts.append((first, end, first.astimezone(info).utcoffset() or timedelta()))
    return tuple(parts)


def _change(before: timedelta, low: datetime, high: datetime, info: ZoneInfo) -> datetime:
    """Returns the first second of (low, high] at which the zone's offset from UTC is no longer `before`."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(info).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
