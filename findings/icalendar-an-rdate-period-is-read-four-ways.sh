#!/usr/bin/env bash
# recurring-ical-events 3.8.2 (with icalendar 7.3.2), vobject 0.9.9, ical 14.3.1, ics 0.7.3.
#
# What is done: one valid calendar is read by four libraries. It has one event of two hours at 22:00, on 2 March 2026, in a
# zone that its own VTIMEZONE defines (an hour east of UTC then), and one RDATE of the type PERIOD: once more on 4 March at
# 22:00, for four hours.
#
# One would expect, by RFC 5545 (3.8.5.2: the recurrence set is DTSTART with the RDATEs; a period has its own length):
#   2 March 21:00 to 23:00 UTC and 4 March 21:00 to 5 March 01:00 UTC.
#
# What is seen: four answers, and no error.
#   recurring-ical-events  both, as expected
#   vobject                nothing at all
#   ical                   4 March alone, and two hours long: the event's own start and the period's length are gone
#   ics                    2 March alone, at 22:00 UTC: it has neither the RDATE nor the zone
#
# So a freeze or a maintenance window that was extended once in a calendar program can vanish, or be hours short, by the
# choice of the library.
#
# Needs bash, Python 3.11 or newer with venv, and the package index. Exits 0 while it is so, and 1 where the behaviour has
# changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv > log 2>&1 || { cat log >&2; exit 2; }
venv/bin/pip install --quiet icalendar==7.3.2 recurring-ical-events==3.8.2 vobject==0.9.9 ical==14.3.1 ics==0.7.3 \
	> log 2>&1 || { cat log >&2; exit 2; }

cat > read.py <<'PYTHON'
import warnings
from datetime import UTC, datetime

warnings.simplefilter("ignore")
TEXT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//EN
BEGIN:VTIMEZONE
TZID:Hall time
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
DTSTART;TZID=Hall time:20260302T220000
DURATION:PT2H
RDATE;VALUE=PERIOD;TZID=Hall time:20260304T220000/PT4H
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")
BEGIN, END = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def utc(moment):
    return moment.astimezone(UTC).strftime("%d %H:%M")


def by_recurring():
    import icalendar
    import recurring_ical_events

    events = recurring_ical_events.of(icalendar.Calendar.from_ical(TEXT)).between(BEGIN, END)
    return [(utc(event.start), utc(event.end)) for event in events]


def by_vobject():
    import vobject

    return [utc(moment) for moment in vobject.readOne(TEXT).vevent.rruleset]


def by_ical():
    from ical.calendar_stream import IcsCalendarStream

    calendar = IcsCalendarStream.calendar_from_ics(TEXT)
    return [(utc(event.start), utc(event.end)) for event in calendar.timeline.overlapping(BEGIN, END)]


def by_ics():
    import ics

    return [(utc(event.begin.datetime), utc(event.end.datetime)) for event in ics.Calendar(TEXT).timeline]


SEEN = {
    by_recurring: [("02 21:00", "02 23:00"), ("04 21:00", "05 01:00")],
    by_vobject: [],
    by_ical: [("04 21:00", "04 23:00")],
    by_ics: [("02 22:00", "03 00:00")],
}
changed = False
for read, seen in SEEN.items():
    found = read()
    print(f"{read.__name__:13} {found}")
    changed = changed or found != seen
raise SystemExit(changed)
PYTHON
venv/bin/python read.py || { echo "a library reads it otherwise than before" >&2; exit 1; }
echo "as before: four libraries, four answers, one of them right"
