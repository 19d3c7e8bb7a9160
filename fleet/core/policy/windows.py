"""Decides when runs may start: in weekly windows, on the wall clocks of their time zones, except during freezes.

A moment is inside a window if a wall clock in the window's zone shows a weekday and time of the window. So when clocks
are put forward, a window inside the gap does not occur that night, and when clocks are put back, the hour that occurs
twice is inside the window twice. All datetimes are aware; spans are half-open, in UTC, sorted, and do not touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fleet.core.policy.policy import Freeze, Pool, Window
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.text import durations

OpenSpan = tuple[datetime, datetime]
"""Begin and end of a time in which runs may start, half-open, in UTC."""
Windows = tuple[Window, ...]

OPENING = timedelta(minutes=15)
"""A run that is too long for every window may start in the longest one, until this long after the window has opened."""
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
FORESIGHT = 4 * WEEK
"""How far ahead an open moment is searched: windows recur weekly, and changes of the clocks can skip one or two of
them."""
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""The Monday from which weeks are counted."""
LAST_YEAR = 9000
"""A window that would open after this year counts as never open."""


def held(pool: Pool, freezes: Sequence[Freeze], now: datetime, needed: timedelta) -> Held | None:
    """Returns why a run that takes `needed` (its p95) may not start now; None if it may. A run must end before the
    window ends and before a freeze begins.

    A run longer than every window could never start, so the time that a run must have left is at most the longest
    window less its first 15 minutes (`OPENING`). Neither the end of a window nor a freeze interrupts a run that has
    begun.
    """
    windows = pool.windows
    zone = windows[0].zone if windows else "UTC"
    must_remain = _must_remain(windows, now, needed)
    if freeze := _in_force(freezes, now):
        return Held(Reason.FREEZE, freeze.name, {"until": format_moment(freeze.until, now, zone)})
    if _fits(closes(windows, freezes, now), now, must_remain):
        return None
    if _fits(closes(windows, (), now), now, must_remain):
        ahead = min((freeze for freeze in freezes if freeze.begin > now), key=lambda freeze: freeze.begin)
        return Held(Reason.FREEZE, ahead.name, {"until": format_moment(ahead.until, now, zone)})
    start = next_start(windows, freezes, now, needed)
    params: dict[str, str | int] = {
        "opens": "never" if start is None else format_moment(start, now, zone),
        "needed": durations.format_duration(needed.total_seconds()),
    }
    return Held(Reason.WINDOW, pool.name, params)


def next_start(
    windows: Windows, freezes: Sequence[Freeze], now: datetime, needed: timedelta
) -> datetime | None:
    """Returns the first moment from `now` on at which `held` would let such a run start; None if there is none."""
    must_remain = _must_remain(windows, now, needed)
    horizon = max([now, *(freeze.until for freeze in freezes)]) + FORESIGHT
    moment = opens(windows, freezes, now)
    while moment is not None and moment < horizon:
        end = closes(windows, freezes, moment)
        if end is None or end - moment >= must_remain:
            return moment
        moment = opens(windows, freezes, end)
    return None


def opens(windows: Windows, freezes: Sequence[Freeze], now: datetime) -> datetime | None:
    """Returns the first open moment from `now` on, `now` included; None if there is none."""
    moment = now
    while moment.year < LAST_YEAR:
        if windows:
            span = next(iter(_inside(windows, moment, moment + FORESIGHT)), None)
            if span is None:
                return None
            moment = span[0]
        freeze = _in_force(freezes, moment)
        if freeze is None:
            return moment
        moment = freeze.until.astimezone(UTC)
    return None


def closes(windows: Windows, freezes: Sequence[Freeze], now: datetime) -> datetime | None:
    """Returns when the open time that contains `now` ends: `now` itself if nothing is open, None if it never ends."""
    if _in_force(freezes, now):
        return now
    end = None
    if windows:
        horizon = now + 2 * WEEK
        begin, until = next(iter(_inside(windows, now, horizon)), (horizon, horizon))
        if begin > now:
            return now
        # What is open for two weeks without a break is always open.
        end = until if until < horizon else None
    ahead = [freeze.begin for freeze in freezes if freeze.begin > now]
    return min([*ahead, *([end] if end else [])], default=None)


def open_spans(windows: Windows, freezes: Sequence[Freeze], begin: datetime, end: datetime) -> list[OpenSpan]:
    """Returns the parts of [begin, end) that are open."""
    spans = _inside(windows, begin, end) if windows else [(begin, end)] if begin < end else []
    for freeze in freezes:
        spans = [part for span in spans for part in _without(span, freeze)]
    return spans


def starts(
    windows: Windows, freezes: Sequence[Freeze], begin: datetime, end: datetime, needed: timedelta
) -> list[OpenSpan]:
    """Returns the spans of [begin, end) in which `held` lets a run start that takes `needed` (its p95). The spans are
    closed: a run may start at either end."""
    must_remain = _must_remain(windows, begin, needed)
    spans = open_spans(windows, freezes, begin, end)
    return [(first, last - must_remain) for first, last in spans if last - first >= must_remain]


def format_moment(moment: datetime, now: datetime, zone: str) -> str:
    """Returns the moment as text for users, in the time zone `zone`: `Sat 01:00 CET`, or `Sat 12 Dec 01:00 CET` if it
    is six days away or more."""
    local = moment.astimezone(ZoneInfo(zone))
    if abs(moment - now) < 6 * DAY:
        return f"{local:%a %H:%M %Z}"
    year = f" {local.year}" if local.year != now.year else ""
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M %Z}"


def _must_remain(windows: Windows, now: datetime, needed: timedelta) -> timedelta:
    """Returns how much time a run must have left to start."""
    if not windows:
        return needed
    return min(needed, max(timedelta(), _longest(windows, (now - MONDAY) // WEEK) - OPENING))


def _fits(end: datetime | None, now: datetime, must_remain: timedelta) -> bool:
    """Returns whether at least `must_remain` is left until `end`; None stands for no end."""
    return end is None or (end > now and end - now >= must_remain)


def _in_force(freezes: Iterable[Freeze], now: datetime) -> Freeze | None:
    """Returns the freeze that is in force at `now`; if there are several, the one that ends last."""
    in_force = (freeze for freeze in freezes if freeze.begin <= now < freeze.until)
    return max(in_force, key=lambda freeze: freeze.until, default=None)


def _without(span: OpenSpan, freeze: Freeze) -> Iterator[OpenSpan]:
    """Yields the parts of the span outside the freeze."""
    begin, end = span
    if begin < min(end, freeze.begin):
        yield begin, min(end, freeze.begin)
    if max(begin, freeze.until) < end:
        yield max(begin, freeze.until), end


def _inside(windows: Windows, begin: datetime, end: datetime) -> list[OpenSpan]:
    """Returns the parts of [begin, end) that are inside a window."""
    spans: list[OpenSpan] = []
    week = (begin - MONDAY) // WEEK
    while MONDAY + week * WEEK < end:
        spans.extend(_week(windows, week))
        week += 1
    return [
        (max(begin, first), min(end, last)) for first, last in _merged(spans) if first < end and last > begin
    ]


@lru_cache(maxsize=1024)
def _week(windows: Windows, week: int) -> tuple[OpenSpan, ...]:
    """Returns the spans inside windows in one UTC week; weeks are counted from that of `MONDAY`."""
    begin = MONDAY + week * WEEK
    spans: list[OpenSpan] = []
    for window in windows:
        for first, last, offset in _offsets(window.zone, begin, begin + WEEK):
            spans.extend(_at_offset(window, first, last, offset))
    return tuple(_merged(spans))


@lru_cache(maxsize=1024)
def _longest(windows: Windows, week: int) -> timedelta:
    """Returns the longest time that windows are open without a break, as if no clock were changed after the begin of
    that week, and without freezes."""
    begin = MONDAY + week * WEEK
    spans: list[OpenSpan] = []
    for window in windows:
        offset = begin.astimezone(ZoneInfo(window.zone)).utcoffset() or timedelta()
        spans.extend(_at_offset(window, begin, begin + 2 * WEEK, offset))
    return max((last - first for first, last in _merged(spans)), default=timedelta())


def _at_offset(window: Window, begin: datetime, end: datetime, offset: timedelta) -> Iterator[OpenSpan]:
    """Yields the parts of [begin, end) that are inside the window, while its zone has this offset from UTC."""
    day = datetime.combine((begin + offset).date(), time(), UTC) - DAY
    while day - offset < end:
        if day.weekday() in window.days:
            first = day + _since_midnight(window.start) - offset
            last = day + _since_midnight(window.end) - offset
            if window.end <= window.start:
                last += DAY
            if max(begin, first) < min(end, last):
                yield max(begin, first), min(end, last)
        day += DAY


def _since_midnight(clock: time) -> timedelta:
    """Returns the time of day as the time since midnight."""
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second)


def _offsets(zone: str, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Yields [begin, end) in parts in which the zone keeps its offset from UTC: begin, end and offset of each."""
    info = ZoneInfo(zone)

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(info).utcoffset() or timedelta()

    first, day = begin, begin
    while day < end:
        after = min(day + DAY, end)
        if offset(day) != offset(after):
            change = _change(offset(day), day, after, info)
            yield first, change, offset(day)
            first = change
        day = after
    if first < end:
        yield first, end, offset(first)


def _change(before: timedelta, low: datetime, high: datetime, info: ZoneInfo) -> datetime:
    """Returns the first second of (low, high] at which the zone's offset from UTC is no longer `before`."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(info).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _merged(spans: Iterable[OpenSpan]) -> list[OpenSpan]:
    """Returns the spans sorted; spans that touch or overlap are joined."""
    merged: list[OpenSpan] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
