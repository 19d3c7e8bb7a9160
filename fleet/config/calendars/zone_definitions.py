"""Time zones that a calendar defines itself (VTIMEZONE), under a name that nobody else knows.

Such a zone is taken for the zone of the IANA database that shows the same times, so that windows and freezes have zones by
name as everywhere else. `dateutil` reads the definition: it keeps what it has read in the object that it returns, whereas in
`icalendar` the first VTIMEZONE of a name rules all later calendars of the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from io import StringIO
from zoneinfo import ZoneInfo

from dateutil.tz import tzical
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from fleet.config.calendars.wall_clock import zone_named
from fleet.config.document.time_forms import zones

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2034, 1, 1, tzinfo=UTC)
"""The time in which both must show the same: later rules of a zone are a guess of the database too."""
WEEK, MINUTE, SUMMER = timedelta(weeks=1), timedelta(minutes=1), timedelta(weeks=26)
MOST_DEFINITIONS = 20
MOST_LINES = 400
"""The most lines of a definition."""
READ = ("BEGIN", "END", "TZID", "DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE")
YEARLY = re.compile(
    r"FREQ=YEARLY|BYMONTH=\d{1,2}|BYDAY=[+-]?\d?[A-Z]{2}|BYMONTHDAY=[\d,-]{1,60}|UNTIL=\w{8,16}|WKST=\w\w"
)
"""The parts that a rule may have. A rule that occurs every second would be followed through centuries."""
FOREIGN = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""The errors that `dateutil` raises for a definition that is not one."""


def with_known_zones(text: str) -> str:
    """Returns the text of a calendar without its VTIMEZONEs, and with the zones that only these define under the name of
    the IANA zone that shows the same times. A zone of which there is none keeps its name."""
    rest, definitions = _apart(text.splitlines())
    renamed = "\r\n".join(rest)
    unknown = [(name, lines) for name, lines in definitions if not _is_known(name)]
    if not unknown:
        return renamed
    renamed = re.sub(r"\r\n[ \t]", "", renamed)  # a name may be folded
    for name, lines in unknown[:MOST_DEFINITIONS]:
        if same := _same_zone("\r\n".join(lines)):
            renamed = re.sub(rf';TZID="?{re.escape(name)}"?(?=[;:])', f";TZID={same}", renamed)
    return renamed


def _apart(lines: Sequence[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Returns the lines outside of definitions, and the definitions by name."""
    rest: list[str] = []
    definitions: list[tuple[str, list[str]]] = []
    inside: list[str] | None = None
    for line in lines:
        upper = line.strip().upper()
        if inside is None and upper != "BEGIN:VTIMEZONE":
            rest.append(line)
            continue
        inside = [] if inside is None else inside
        inside.append(line)
        if upper == "END:VTIMEZONE":
            unfolded = re.sub(r"\n[ \t]", "", "\n".join(inside)).split("\n")
            names = [each.partition(":")[2] for each in unfolded if each.upper().startswith("TZID:")]
            definitions.append((names[0].strip() if names else "", unfolded))
            inside = None
    return rest, definitions


def _is_known(name: str) -> bool:
    try:
        zone_named(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def _same_zone(definition: str) -> str:
    """Returns the IANA zone that shows the same times as this definition; empty if there is none, or it cannot be read."""
    try:
        defined = _zone(definition)
        early, late = (_offset(defined, moment) for moment in (FIRST, FIRST + SUMMER))
        changes = list(_changes(defined))
    except FOREIGN:
        return ""
    for name in sorted(zones(), key=lambda name: (name not in USUAL, "/" not in name, name)):
        zone = ZoneInfo(name)
        alike = _offset(zone, FIRST) == early and _offset(zone, FIRST + SUMMER) == late
        if alike and list(_changes(zone)) == changes:
            return name
    return ""


USUAL = frozenset(WINDOWS_TO_OLSON.values())
"""Zones that are preferred where several show the same times."""


def _zone(definition: str) -> tzinfo:
    """Raises ValueError, and others of FOREIGN, for a definition that cannot be read."""
    lines = [line for line in definition.split("\r\n") if re.split("[;:]", line)[0].upper() in READ]
    if len(lines) > MOST_LINES:
        raise ValueError("too long")
    for line in lines:
        name, _, value = line.partition(":")
        if name.upper() == "RRULE" and not all(
            YEARLY.fullmatch(part) for part in value.strip().upper().split(";")
        ):
            raise ValueError("the rule is not a yearly one")
    found: tzinfo | None = tzical(StringIO("\r\n".join(lines))).get()
    if found is None:
        raise ValueError("no definition")
    return found


def _changes(zone: tzinfo) -> Iterator[tuple[datetime, timedelta]]:
    """Yields when the clocks of the zone are changed, to the minute, and how far it is from UTC from then on."""
    moment, before = FIRST, _offset(zone, FIRST)
    while moment < LAST:
        following = moment + WEEK
        after = _offset(zone, following)
        if after != before:
            low, high = 0, WEEK // MINUTE
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (
                    (middle, high) if _offset(zone, moment + middle * MINUTE) == before else (low, middle)
                )
            yield moment + high * MINUTE, after
        moment, before = following, after


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).replace(tzinfo=None) - moment.replace(tzinfo=None)
