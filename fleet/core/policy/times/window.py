"""Windows: times in which runs may start."""

from __future__ import annotations

from datetime import datetime, time
from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class Window(Struct, frozen=True):
    """A weekly time in which runs may start, half-open: [start, end). Its end does not interrupt a run.

    An `end` at or before `start` is on the next day. Both are wall-clock times in the time zone `zone` (IANA name).
    """

    days: tuple[int, ...]
    """Weekdays on which the window starts; 0 is Monday."""
    start: time
    end: time
    zone: str = "UTC"


class RecurringWindow(Struct, frozen=True):
    """A time in which runs may start, by a recurrence rule or once. It is open while a clock on the wall in its zone
    shows a time in [start, start + seconds), or in as many seconds from another occurrence on."""

    start: datetime
    """The first date of the rule, as a wall-clock time without a time zone (DTSTART)."""
    seconds: int
    """How long it lasts on the wall clock."""
    zone: str = "UTC"
    rule: str = ""
    """The RRULE of RFC 5545, with an UNTIL on the wall clock; empty for a window that occurs once."""
    shift_seconds: int = 0
    """How much later than the rule's dates it opens."""
    added: tuple[datetime, ...] = ()
    """More wall-clock times at which it opens (RDATE)."""
    removed: tuple[datetime, ...] = ()
    """Wall-clock times at which it does not open (EXDATE)."""
    calendar: str | UnsetType = UNSET
    """The name of the calendar that it is an event of (`CalendarEvents.windows`). UNSET: it stands in the policy itself."""


AnyWindow = Window | RecurringWindow


class WindowLevel(Struct, frozen=True):
    """The windows of the whole fleet, of a site or of a cluster. A run starts only if a window is open on every level
    that has windows: these, and the pool's."""

    level: Literal["fleet", "site", "cluster"]
    name: str = ""
    """The name of the site or cluster; empty for the fleet."""
    windows: tuple[Window, ...] = ()
    recurring: tuple[RecurringWindow, ...] = ()
    unread: tuple[str, ...] = ()
    """Calendars that were never read. Until they are, no run starts here."""
