"""Reads maintenance windows: weekly ones, ones by a recurrence rule or at one time, and those of the fleet, of sites and
of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple

from msgspec.structs import replace

from fleet.config import recurrence
from fleet.config.calendars.source import ReadCalendar, read_calendar
from fleet.config.document import forms, time_forms
from fleet.config.document.reader import Reader
from fleet.core.policy.times.recurrence import Occurrences
from fleet.core.policy.times.window import RecurringWindow, Window, WindowLevel

EACH_DAY = tuple(range(7))
WEEKLY_KEYS = ("days", "from", "to")
RECURRING_KEYS = ("rrule", "start", "duration", "except", "shift")
UNKNOWN_START = datetime.combine(date.min, time())
"""Takes the place of a start that cannot be read."""


class WindowLists(NamedTuple):
    """The windows of one list."""

    weekly: tuple[Window, ...] = ()
    recurring: tuple[RecurringWindow, ...] = ()
    unread: tuple[str, ...] = ()
    """The keys of calendars that were never read."""

    def __bool__(self) -> bool:
        return bool(self.weekly or self.recurring or self.unread)


def windows(reader: Reader, zone: str = "UTC") -> WindowLists:
    """Reads the list `windows`. `zone`: the time zone of windows that name none."""
    weekly: list[Window] = []
    recurring: list[RecurringWindow] = []
    unread: list[str] = []
    for each in reader.blocks("windows"):
        if each.has("calendar"):
            found = _calendar(each, zone)
            recurring.extend(replace(event.window, calendar=found.name) for event in found.events)
            unread.extend([each.path] if found.never_read else [])
        elif any(each.has(key) for key in RECURRING_KEYS):
            recurring.append(_recurring(each, zone))
        else:
            weekly.append(_weekly(each, zone))
    return WindowLists(tuple(weekly), tuple(recurring), tuple(unread))


def _calendar(reader: Reader, zone: str) -> ReadCalendar:
    """Reads the events of a calendar as windows. A calendar without an event never opens, which is a mistake: without
    any window its level would always be open."""
    other = (*WEEKLY_KEYS, *RECURRING_KEYS)
    if wrong := next((key for key in other if reader.has(key)), None):
        reader.problem("expected a calendar alone, with its zone, found both", wrong)
    _ask(reader, other)
    found = read_calendar(reader, zone="" if zone == "UTC" else zone)
    if not found.events and not found.never_read:
        reader.problem("expected a calendar with events that open windows, found none", "calendar")
    return found


def levels(reader: Reader) -> tuple[WindowLevel, ...]:
    """Reads the windows of the fleet, of sites and of clusters."""
    found = []
    fleet = windows(reader)
    if fleet:
        found.append(WindowLevel("fleet", "", *fleet))
    found.extend(_named(reader, "sites", "site"))
    found.extend(_named(reader, "clusters", "cluster"))
    return tuple(found)


def _named(reader: Reader, key: str, level: Literal["site", "cluster"]) -> Iterator[WindowLevel]:
    names: set[str] = set()
    for each in reader.blocks(key):
        name = each.required("name", forms.NAME, "")
        if name and name in names:
            each.problem("expected each name once, found it again", "name")
        names.add(name)
        zone = each.value("zone", time_forms.zone(), "UTC")
        found = windows(each, zone)
        if found:
            yield WindowLevel(level, name, *found)


def _weekly(reader: Reader, default: str) -> Window:
    """Reads a weekly window. An end at or before the start is on the next day."""
    groups = reader.values("days", time_forms.WEEKDAYS, required=reader.has("days"))
    days = tuple(sorted({day for group in groups for day in group})) if groups else EACH_DAY
    start = reader.required("from", time_forms.CLOCK_TIME, time())
    end = reader.required("to", time_forms.END_TIME, None)
    zone = reader.value("zone", time_forms.zone(), default)
    _ask(reader, (*RECURRING_KEYS, "calendar"))
    if start == end and reader.has("from"):
        reader.problem(
            f"expected another time than from, found {end:%H:%M} (a whole day is 00:00 to 24:00)", "to"
        )
    return Window(days, start, time() if end is None else end, zone)


def _recurring(reader: Reader, default: str) -> RecurringWindow:
    """Reads a window by a recurrence rule; without a rule it occurs once."""
    if wrong := next((key for key in WEEKLY_KEYS if reader.has(key)), None):
        reader.problem(
            "expected either days, from and to, or start and duration with an rrule, found both", wrong
        )
    _ask(reader, (*WEEKLY_KEYS, "calendar"))
    zone = reader.value("zone", time_forms.zone(), default)
    start = reader.required("start", time_forms.WALL_CLOCK, UNKNOWN_START)
    seconds = reader.required("duration", forms.seconds(1), 1)
    shift = reader.value("shift", forms.seconds(0), 0)
    text = reader.value("rrule", forms.TEXT, "")
    found = RecurringWindow(start, seconds, zone, shift_seconds=shift)
    if text and start != UNKNOWN_START:
        try:
            found = replace(found, rule=recurrence.rule(text, start, zone))
        except ValueError as wrong:
            reader.problem(str(wrong), "rrule")
            return found
    return replace(found, removed=tuple(_removed(reader, found)))


def _removed(reader: Reader, window: RecurringWindow) -> Iterator[datetime]:
    """Yields the openings that `except` takes away, and warns of a date on which the window does not open anyway."""
    occurrences = Occurrences(window)
    for each in reader.values("except", time_forms.DAY_OR_WALL_CLOCK):
        begin, end = _day(each) if not isinstance(each, datetime) else (each, each + timedelta(seconds=1))
        found = occurrences.between(begin, end)
        if not found and window.start != UNKNOWN_START:
            reader.caution(f"the window does not open on {each} anyway", "except")
        yield from found


def _day(day: date) -> tuple[datetime, datetime]:
    begin = datetime.combine(day, time())
    return begin, begin + timedelta(days=1)


def _ask(reader: Reader, keys: tuple[str, ...]) -> None:
    """Takes keys that belong to another form of window. If one is given, a problem says so elsewhere."""
    for key in keys:
        reader.values(key, forms.TEXT) if reader.has(key) else reader.value(key, forms.TEXT, "")
