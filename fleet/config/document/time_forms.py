"""The forms of times: times of day, weekdays, time zones, moments, and times on a wall clock."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from fleet.config.document.forms import ValueForm, one_of, text_schema

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = "mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?"
YEARS = range(1970, 9000)
CLOCK = r"(\d|[01]\d|2[0-3]):([0-5]\d)"
MOMENT = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?"
WALL = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?"


def _clock(text: str) -> time:
    found = re.fullmatch(CLOCK, text, re.ASCII)
    if found is None:
        raise ValueError(text)
    return time(int(found[1]), int(found[2]))


CLOCK_TIME = ValueForm("a time of day such as 01:00", _clock, schema=text_schema(CLOCK, 5))
END_TIME: ValueForm[time | None] = ValueForm(
    "a time of day such as 05:00, at most 24:00",
    lambda text: None if text == "24:00" else _clock(text),
    schema=text_schema(f"{CLOCK}|24:00", 5),
)
"""The time of day at which a window ends. None: the end of the day."""


def _days(text: str) -> tuple[int, ...]:
    first, dash, last = text.lower().partition("-")
    begin = _day(first)
    length = (_day(last) - begin) % 7 if dash else 0
    return tuple((begin + index) % 7 for index in range(length + 1))


def _day(text: str) -> int:
    for number, name in enumerate(DAYS):
        if text in (name, name[:3]):
            return number
    raise ValueError(text)


WEEKDAYS = ValueForm(
    "a weekday such as sat, or a range such as mon-fri",
    _days,
    schema=text_schema(f"(?i:({DAY})(-({DAY}))?)"),
)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone() -> ValueForm[str]:
    return one_of(zones(), "a time zone such as Europe/Berlin")


def moment(zone_name: str) -> ValueForm[datetime]:
    """Returns the form of a timestamp, which is read in UTC. A timestamp without an offset from UTC is in the given
    time zone, if there is one."""

    def read(text: str) -> datetime:
        if not re.fullmatch(MOMENT, text, re.ASCII):
            raise ValueError(text)
        found = datetime.fromisoformat(text)
        if found.tzinfo is None and zone_name:
            found = found.replace(tzinfo=ZoneInfo(zone_name))
        if found.tzinfo is None or not YEARS.start < found.year < YEARS.stop:
            raise ValueError(text)
        return found.astimezone(UTC)

    return ValueForm(
        "a moment such as 2026-12-19T00:00+01:00 (without the +01:00: a zone beside it)",
        read,
        schema=text_schema(MOMENT),
    )


def _wall_clock(text: str) -> datetime:
    found = _day_or_wall_clock(text)
    if not isinstance(found, datetime):
        raise ValueError(text)
    return found


def _day_or_wall_clock(text: str) -> date | datetime:
    if not re.fullmatch(WALL, text, re.ASCII):
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    if not YEARS.start < found.year < YEARS.stop:
        raise ValueError(text)
    return found if len(text) > len("2026-01-13") else found.date()


WALL_CLOCK = ValueForm(
    "a time on the wall clock of the zone, such as 2026-01-13T22:00",
    _wall_clock,
    schema=text_schema(WALL),
)
DAY_OR_WALL_CLOCK = ValueForm(
    "a date such as 2026-12-08, or a time on the wall clock such as 2026-12-08T22:00",
    _day_or_wall_clock,
    schema=text_schema(WALL),
)
