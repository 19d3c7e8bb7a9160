#!/usr/bin/env bash
# icalendar 7.3.2 (PyPI), Timezone.from_tzid, which makes the VTIMEZONE of a zone for a calendar; read back by python-dateutil
# 2.9.0.post0 and compared with the zone's own data (tzdata 2026.6).
#
# What is done: the VTIMEZONEs of four zones for the years 2024 to 2027 are made, and the zone's offset at each half hour
# around the changes of 2026 is asked of the VTIMEZONE (by dateutil's tzical) and of zoneinfo.
#
# One would expect: the same offsets. RFC 5545, 3.6.5: an onset is a local time in the offset that was in use before it
# (TZOFFSETFROM), so for Europe/Berlin the summer of 2026 begins at 20260329T020000, which is 01:00 UTC.
#
# What is seen: the onset of summer time is written in the offset after the change (20260329T030000, which is 02:00 UTC), so
# that any reader that goes by the standard begins summer time an hour late, in every zone and year. The onset of
# standard time is right. It is the part DAYLIGHT that is late, so in Europe/Dublin, whose zone calls the winter the
# exception, it is the change in autumn. A maintenance window that begins in that hour begins an hour off; and a
# VTIMEZONE that the library makes is no oracle for one that another program made.
#
# Needs bash, Python 3.11 or newer and PyPI. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install icalendar==7.3.2 python-dateutil==2.9.0.post0 tzdata==2026.6 > build.log 2>&1 || { cat build.log >&2; exit 2; }

cat > late.py <<'PY'
import io
import sys
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from dateutil.tz import tzical
from icalendar import Timezone

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/Dublin")
SPAN = date(2024, 1, 1), date(2027, 12, 31)


def differing(name):
    """The moments of 2026, by the half hour, at which the VTIMEZONE and the zone differ."""
    made = Timezone.from_tzid(name, first_date=SPAN[0], last_date=SPAN[1]).to_ical().decode()
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//finding//EN\r\n{made}END:VCALENDAR\r\n"
    by_file, by_data = tzical(io.StringIO(text)).get(name), ZoneInfo(name)
    moment, found = datetime(2026, 1, 1, 0, 15, tzinfo=timezone.utc), []
    while moment.year == 2026:
        mine, theirs = moment.astimezone(by_file).utcoffset(), moment.astimezone(by_data).utcoffset()
        if mine != theirs:
            found.append((moment, theirs - mine))
        moment += timedelta(minutes=30)
    return found, made


changed = False
for name in ZONES:
    found, made = differing(name)
    late = ", ".join(f"{moment:%Y-%m-%d %H:%M}Z by {by.total_seconds() / 3600:+.0f} h" for moment, by in found)
    print(f"{name}: differs at {late}")
    # One hour, by half hours, in which the file has not changed yet.
    changed |= len(found) != 2 or any(abs(by) != timedelta(hours=1) for _, by in found)
print(*(line for line in differing("Europe/Berlin")[1].splitlines() if "20260329" in line))
sys.exit(changed)
PY
venv/bin/python late.py
