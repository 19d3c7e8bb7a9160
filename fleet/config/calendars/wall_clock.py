"""Times of a calendar's event on the wall clock of one time zone.

The time zones of `icalendar` are not used: the first VTIMEZONE of a name rules all later calendars of the process, and an
unknown name is taken for local time. The name of the zone (TZID) and the time on the wall are read, and `zoneinfo` knows
the zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from fleet.config.document.time_forms import zones

YEARS = range(1970, 2200)
"""The years in which events are."""


class WallTime(NamedTuple):
    """A time on the wall clock of a zone."""

    at: datetime
    """Without a time zone."""
    zone: str
    is_day: bool = False
    """True if the calendar names a day without a time of day."""

    @property
    def moment(self) -> datetime:
        """Returns the moment in UTC; of a time that clocks show twice, the first."""
        return self.at.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def on_clock_of(self, zone: str) -> datetime:
        """Returns what a wall clock of another zone shows at the moment. Days are the same everywhere."""
        if self.is_day or zone == self.zone:
            return self.at
        return self.moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def wall_time(value: date | datetime, params: Mapping[str, Any], default: str) -> WallTime:
    """Returns a value of a calendar as a time on the wall. `default`: the zone of days and of times without a zone.
    Raises ValueError for a time zone that is not known."""
    if not isinstance(value, date) or not YEARS.start <= value.year < YEARS.stop:
        raise ValueError(f"expected a date from {YEARS.start} to {YEARS.stop - 1}, found {value}")
    if not isinstance(value, datetime):
        return WallTime(datetime.combine(value, time()), default, is_day=True)
    if name := str(params.get("TZID", "")):
        return WallTime(value.replace(tzinfo=None), zone_named(name))
    if value.tzinfo is not None:
        return WallTime(value.astimezone(UTC).replace(tzinfo=None), "UTC")
    return WallTime(value, default)


def zone_named(name: str) -> str:
    """Returns the IANA name of a time zone, which calendars write in several ways: as such, with a prefix
    (`/example.org/Europe/Berlin`), or as Windows does. Raises ValueError for a name that is not known."""
    bare = name.strip().strip('"').lstrip("/")
    parts = bare.split("/")
    for start in range(len(parts)):
        candidate = "/".join(parts[start:])
        if candidate in zones():
            return candidate
    if bare in WINDOWS_TO_OLSON:
        return WINDOWS_TO_OLSON[bare]
    raise ValueError(f"expected a time zone that is known, found {name[:60]!r}")
