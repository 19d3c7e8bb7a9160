"""Reads recurrence rules of RFC 5545: which parts are supported, and whether a rule ever occurs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fleet.core.policy.times.recurrence import occurs

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
EVERY = ("INTERVAL", "COUNT", "UNTIL", "WKST", "BYMONTH", "BYDAY")
"""The parts that a rule of any frequency may have."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "DAILY": EVERY,
    "WEEKLY": EVERY,
    "MONTHLY": (*EVERY, "BYMONTHDAY", "BYSETPOS"),
    "YEARLY": (*EVERY, "BYMONTHDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO"),
}
TIMES = ("BYHOUR", "BYMINUTE", "BYSECOND")
NUMBERS: Mapping[str, tuple[int, bool]] = {
    "BYMONTH": (12, False),
    "BYMONTHDAY": (31, True),
    "BYYEARDAY": (366, True),
    "BYWEEKNO": (53, True),
    "BYSETPOS": (366, True),
}
"""The greatest number of each list, and whether a negative number counts from the end."""
MOST: Mapping[str, int] = {"INTERVAL": 1000, "COUNT": 10_000}
FIRST_YEAR, LAST_YEAR = 1900, 9000
DAY = r"([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)"
UNTIL = r"(\d{8})(?:T(\d{6})(Z)?)?"


class NeverOccursError(ValueError):
    """A rule that gives no date."""


def rule(text: str, start: datetime, zone: str) -> str:
    """Returns the rule as the core keeps it: in capitals, with an UNTIL on the wall clock of `zone`.

    `start` is a wall-clock time without a time zone. Raises ValueError, with its message for users, for a text that is
    no rule, for a part that is not supported, and for a rule that never occurs.
    """
    given = _parts(text.strip().upper().removeprefix("RRULE:"))
    frequency = given.get("FREQ", "")
    if frequency not in PARTS:
        known = ", ".join(PARTS)
        raise ValueError(f"expected FREQ as one of {known}, found {frequency or 'none'}")
    for name, value in given.items():
        if name in TIMES:
            raise ValueError(f"expected no {name}, since start says the time of day")
        if name != "FREQ" and name not in PARTS[frequency]:
            raise ValueError(f"expected a part that FREQ={frequency} may have, found {name}")
        if not _fits(name, value, frequency):
            raise ValueError(f"expected a value of {name} that RFC 5545 allows here, found {value}")
    if "COUNT" in given and "UNTIL" in given:
        raise ValueError("expected COUNT or UNTIL, found both")
    if "UNTIL" in given:
        given["UNTIL"] = _until(given["UNTIL"], zone)
    found = ";".join(f"{name}={value}" for name, value in given.items())
    if not _occurs(found, start):
        raise NeverOccursError("expected a rule that occurs, found one that never does")
    return found


def _parts(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise ValueError("expected a rule such as FREQ=MONTHLY;BYDAY=2TU")
        if name in found:
            raise ValueError(f"expected {name} once, found it again")
        found[name] = value
    return found


def _fits(name: str, value: str, frequency: str) -> bool:
    """Returns whether the value of a part is well formed."""
    values = value.split(",")
    if name in MOST:
        return bool(re.fullmatch(r"[1-9]\d{0,4}", value)) and int(value) <= MOST[name]
    if name in NUMBERS:
        most, negative = NUMBERS[name]
        sign = "[+-]?" if negative else ""
        return all(re.fullmatch(rf"{sign}[1-9]\d{{0,2}}", each) and abs(int(each)) <= most for each in values)
    if name == "WKST":
        return value in WEEKDAYS
    if name == "BYDAY":
        days = [re.fullmatch(DAY, each) for each in values]
        return all(day and (not day[1] or frequency in ("MONTHLY", "YEARLY")) for day in days)
    return name != "UNTIL" or re.fullmatch(UNTIL, value) is not None


def _until(value: str, zone: str) -> str:
    """Returns the end of the rule as a wall-clock time of the zone. A date stands for all of its day."""
    found = re.fullmatch(UNTIL, value)
    assert found, value
    date, time, is_utc = found.groups()
    try:
        moment = datetime.strptime(f"{date}{time or '235959'}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"expected a date in UNTIL, found {value}") from None
    if not FIRST_YEAR < moment.year < LAST_YEAR:
        raise ValueError(f"expected UNTIL between the years {FIRST_YEAR} and {LAST_YEAR}, found {value}")
    if is_utc:
        moment = moment.astimezone(ZoneInfo(zone))
    return f"{moment:%Y%m%dT%H%M%S}"


def _occurs(text: str, start: datetime) -> bool:
    try:
        return occurs(text, start)
    except ValueError:
        return False
