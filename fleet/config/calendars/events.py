"""Reads the events of a calendar. `icalendar` parses the text; what an event means is decided here.

Cancelled events do not count, nor do openings that an override (RECURRENCE-ID) has moved or cancelled. A day without a
time of day is a whole day in the zone of the calendar. Durations are times on the wall clock, as those of all windows.
Source: RFC 5545, sections 3.6.1, 3.8.4.4 and 3.8.5.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from icalendar import Calendar
from msgspec.structs import replace

from fleet.config import recurrence
from fleet.config.calendars.wall_clock import WallTime, wall_time, zone_named
from fleet.config.calendars.zone_definitions import with_known_zones
from fleet.core.policy.times.recurrence import matches
from fleet.core.policy.times.window import RecurringWindow

MOST_EVENTS = 1000
LONGEST = timedelta(days=400)
"""The longest event, and the longest title below: what is longer is hardly meant."""
TITLE = 60
UNSUPPORTED = ("EXRULE",)
DECISIVE = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS")
"""Properties without which the time of an event is unknown."""


FOREIGN = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""The errors that `icalendar` raises for a text that is not a calendar."""


class CalendarEvent(NamedTuple):
    title: str
    window: RecurringWindow


class CalendarContent(NamedTuple):
    """The events of a calendar, and its problems."""

    events: tuple[CalendarEvent, ...] = ()
    problems: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


SINGLE = ("DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "STATUS", "SEQUENCE", "UID")
"""Properties that an event has once."""


class _Unreadable(ValueError):
    """An event whose time is unknown."""


def read_events(text: str, zone: str, *, closes: bool) -> CalendarContent:
    """Returns the events of a calendar.

    `zone`: that of days and of times without a zone; empty for the calendar's own (X-WR-TIMEZONE), or else UTC. `closes`:
    the events are freezes. What RFC 5545 leaves open counts as a freeze and does not count as a window.
    """
    try:
        with warnings.catch_warnings():
            # It warns that it guesses time zones, which are not used.
            warnings.simplefilter("ignore")
            calendars = Calendar.from_ical(with_known_zones(text), multiple=True)
    except FOREIGN:
        # The library's message has a part of the text, and a server's error page may repeat its URL.
        return CalendarContent(problems=("expected an iCalendar file (RFC 5545), found another text",))
    if not calendars or any(each.name != "VCALENDAR" for each in calendars):
        return CalendarContent(problems=("expected an iCalendar file, found no VCALENDAR",))
    found: list[CalendarEvent] = []
    problems: list[str] = []
    cautions: list[str] = []
    count = 0
    for calendar in calendars:
        own = zone or _zone_of(calendar)
        components = calendar.walk("VEVENT")
        count += len(components)
        if count > MOST_EVENTS:
            return CalendarContent(problems=(f"expected at most {MOST_EVENTS} events, found more",))
        for group in _by_uid(components):
            try:
                found.extend(_group(group, own, closes, cautions))
            except _Unreadable as wrong:
                problems.append(str(wrong))
    if not count:
        cautions.append("the calendar has no event")
    return CalendarContent(tuple(found), tuple(problems), tuple(cautions))


def _zone_of(calendar: Any) -> str:
    try:
        return zone_named(str(calendar.get("X-WR-TIMEZONE", "UTC")))
    except ValueError:
        return "UTC"


def _by_uid(components: Sequence[Any]) -> Iterator[list[Any]]:
    """Yields the events that belong together: those of one UID. Events without a UID stand alone."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for index, each in enumerate(components):
        groups[str(each.get("UID") or f"without a UID, {index}")].append(each)
    yield from groups.values()


def _group(
    components: Sequence[Any], zone: str, closes: bool, cautions: list[str]
) -> Iterator[CalendarEvent]:
    """Yields the windows of one UID: its master without the openings that overrides replace, then the overrides."""
    for each in components:
        _check(each)
    masters = _newest([each for each in components if each.get("RECURRENCE-ID") is None])
    overrides = [each for each in components if each.get("RECURRENCE-ID") is not None]
    for master in masters:
        if _is_cancelled(master):
            # Overrides of a cancelled event are cancelled with it.
            return
    for master in masters:
        replaced = [_time(each, "RECURRENCE-ID", zone) for each in overrides]
        for window in _windows(master, zone, closes, cautions):
            removed = tuple(_on_clock(each, window) for each in replaced if each is not None)
            yield CalendarEvent(_title(master), replace(window, removed=(*window.removed, *removed)))
    for each in _newest_overrides(overrides):
        if not _is_cancelled(each):
            for window in _windows(each, zone, closes, cautions):
                yield CalendarEvent(_title(each), replace(window, rule="", added=(), removed=()))


def _newest(masters: Sequence[Any]) -> list[Any]:
    """Returns those of the highest SEQUENCE: an event that was sent again takes the place of its earlier versions."""
    newest = max((_sequence(each) for each in masters), default=0)
    return [each for each in masters if _sequence(each) == newest]


def _newest_overrides(overrides: Sequence[Any]) -> list[Any]:
    by_time: dict[bytes, list[Any]] = defaultdict(list)
    for each in overrides:
        by_time[each["RECURRENCE-ID"].to_ical()].append(each)
    return [each for group in by_time.values() for each in _newest(group)]


def _sequence(component: Any) -> int:
    text = str(component.get("SEQUENCE", "0"))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _check(component: Any) -> None:
    """Raises _Unreadable for an event with a part that decides when it is and that cannot be read."""
    wrong = [name for name, _ in component.errors if name in DECISIVE]
    wrong += [name for name in UNSUPPORTED if name in component]
    if wrong:
        raise _Unreadable(f"event {_title(component)!r}: {wrong[0]} is not supported, or cannot be read")
    twice = [name for name in SINGLE if isinstance(component.get(name), list)]
    if twice:
        raise _Unreadable(f"event {_title(component)!r}: it has {twice[0]} twice")
    override = component.get("RECURRENCE-ID")
    if override is not None and "RANGE" in override.params:
        raise _Unreadable(f"event {_title(component)!r}: RANGE of RECURRENCE-ID is not supported")
    if "DTSTART" not in component:
        raise _Unreadable(f"event {_title(component)!r}: it has no DTSTART")


def _windows(component: Any, zone: str, closes: bool, cautions: list[str]) -> Iterator[RecurringWindow]:
    """Yields the windows of one event: one for each of its rules, or one without a rule. RDATEs are added to the first;
    those with a duration of their own are windows of their own."""
    title = _title(component)
    try:
        start = _time(component, "DTSTART", zone)
        assert start is not None
        length = _length(component, start, zone)
        added, periods = _added(component, start, zone)
        removed = tuple(_dates(component, "EXDATE", start, zone))
    except ValueError as wrong:
        raise wrong if isinstance(wrong, _Unreadable) else _Unreadable(f"event {title!r}: {wrong}") from None
    if not length and not periods:
        cautions.append(f"event {title!r} lasts no time, and does not count")
        return
    single = RecurringWindow(start.at, max(1, int(length.total_seconds())), start.zone, removed=removed)
    rules = _rules(component)
    for number, rule in enumerate(rules if length else ()):
        found = _recurring(single, rule, title, closes, cautions)
        yield found if number else replace(found, added=(*found.added, *added))
    if length and not rules:
        yield replace(single, added=added)
    for begin, seconds in periods:
        yield RecurringWindow(begin, seconds, start.zone)


def _rules(component: Any) -> list[str]:
    try:
        return [each.to_ical().decode() for each in _several(component, "RRULE")]
    except FOREIGN:
        raise _Unreadable(f"event {_title(component)!r}: its RRULE cannot be read") from None


def _recurring(
    single: RecurringWindow, text: str, title: str, closes: bool, cautions: list[str]
) -> RecurringWindow:
    try:
        rule = recurrence.rule(text, single.start, single.zone)
    except recurrence.NeverOccursError:
        cautions.append(f"event {title!r} has a rule that gives no date; {_counts(closes)}")
        return single if closes else replace(single, removed=(*single.removed, single.start))
    except ValueError as wrong:
        raise _Unreadable(f"event {title!r}: {wrong}") from None
    found = replace(single, rule=rule)
    if not matches(rule, single.start):
        cautions.append(f"event {title!r} begins on a date that its rule does not give; {_counts(closes)}")
        return replace(found, added=(single.start,)) if closes else found
    return found


def _counts(closes: bool) -> str:
    return "its begin is a freeze all the same" if closes else "its begin is no window"


def _length(component: Any, start: WallTime, zone: str) -> timedelta:
    """Returns how long the event lasts on the wall clock of its begin. Raises ValueError for one that ends before it
    begins, or that is too long."""
    end = _time(component, "DTEND", zone)
    if end is not None:
        length = end.on_clock_of(start.zone) - start.at
    elif "DURATION" in component:
        length = component["DURATION"].dt
    else:
        length = timedelta(days=1) if start.is_day else timedelta()
    if length < timedelta():
        raise ValueError("it ends before it begins")
    if length > LONGEST:
        raise ValueError(f"it lasts longer than {LONGEST.days} days")
    return length


def _added(
    component: Any, start: WallTime, zone: str
) -> tuple[tuple[datetime, ...], list[tuple[datetime, int]]]:
    """Returns the RDATEs on the clock of `start`: those without a duration, and the others with it in seconds."""
    dates: list[datetime] = []
    periods: list[tuple[datetime, int]] = []
    for values in _several(component, "RDATE"):
        for value in values.dts:
            if isinstance(value.dt, tuple):
                begin, end = value.dt
                first = wall_time(begin, values.params, zone).on_clock_of(start.zone)
                last = (
                    first + end
                    if isinstance(end, timedelta)
                    else (wall_time(end, values.params, zone).on_clock_of(start.zone))
                )
                periods.append((first, max(1, int((last - first).total_seconds()))))
            else:
                dates.append(_like(value.dt, values.params, start, zone))
    return tuple(dates), periods


def _dates(component: Any, name: str, start: WallTime, zone: str) -> Iterator[datetime]:
    for values in _several(component, name):
        for value in values.dts:
            yield _like(value.dt, values.params, start, zone)


def _like(value: date | datetime, params: Any, start: WallTime, zone: str) -> datetime:
    """Returns the time on the clock of `start`; a day stands for the event's opening on it."""
    found = wall_time(value, params, zone)
    if found.is_day:
        return datetime.combine(found.at.date(), start.at.time())
    return found.on_clock_of(start.zone)


def _on_clock(replaced: WallTime, window: RecurringWindow) -> datetime:
    """Returns the opening that an override replaces."""
    if replaced.is_day:
        return datetime.combine(replaced.at.date(), window.start.time())
    return replaced.on_clock_of(window.zone)


def _time(component: Any, name: str, zone: str) -> WallTime | None:
    value = component.get(name)
    if value is None:
        return None
    try:
        return wall_time(value.dt, value.params, zone)
    except ValueError as wrong:
        raise _Unreadable(f"event {_title(component)!r}: {wrong}") from None


def _several(component: Any, name: str) -> list[Any]:
    value = component.get(name, [])
    return value if isinstance(value, list) and not hasattr(value, "to_ical") else [value]


def _is_cancelled(component: Any) -> bool:
    return str(component.get("STATUS", "")).strip().upper() == "CANCELLED"


def _title(component: Any) -> str:
    return _short(str(component.get("SUMMARY", "")) or "without a title")


def _short(text: str) -> str:
    """Returns one printable line: a calendar is written by others."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= TITLE else f"{line[: TITLE - 1]}…"
