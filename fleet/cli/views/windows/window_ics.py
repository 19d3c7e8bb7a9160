"""The calendar of windows as iCalendar (RFC 5545), for calendar programs. All times are in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

from icalendar import Calendar, Event

from fleet.core.reporting.ahead.window_calendar import WindowCalendar


def calendar_ics(calendar: WindowCalendar) -> str:
    """Returns the text of an iCalendar file: an event for each open time, freeze and rollout. An event that is the same
    later has the same UID, so that importing it again adds nothing."""
    made = Calendar()
    made.add("prodid", "-//fleet//windows//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    for title, begin, end in _entries(calendar):
        event = Event()
        identity = f"{title} {begin.isoformat()} {end.isoformat()}"
        event.add("uid", f"{sha256(identity.encode()).hexdigest()[:32]}@fleet")
        event.add("dtstamp", calendar.start.astimezone(UTC).replace(microsecond=0))
        event.add("dtstart", begin.astimezone(UTC).replace(microsecond=0))
        event.add("dtend", end.astimezone(UTC).replace(microsecond=0))
        event.add("summary", title)
        event.add("transp", "TRANSPARENT")
        made.add_component(event)
    return str(made.to_ical().decode())


def _entries(calendar: WindowCalendar) -> Iterator[tuple[str, datetime, datetime]]:
    for times in calendar.pools:
        where = f" in {', '.join(times.clusters)}" if times.clusters else ""
        for span in () if times.always_open else times.spans:
            yield f"window of pool {times.pool}{where}", span.start, span.end
    for freeze in calendar.freezes:
        yield f"freeze {freeze.name}{freeze.where}", freeze.begin, freeze.until
    for each in calendar.rollouts:
        if each.end is not None and each.end > each.start:
            yield f"rollout {each.name} ({each.state}) of {', '.join(each.pools)}", each.start, each.end
