"""Reads the calendars that a policy names. A file is read as it is; of a URL the last copy is read, which `fleet sync`,
`fleet plan` and `fleet window` fetch: reading a policy waits for no server."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from fleet.config.document import forms, time_forms
from fleet.config.document.reader import Reader
from fleet.config.stream import text_of
from fleet.core.policy.times.calendar_events import CalendarVersion
from fleet.core.text.paths import expanded

if TYPE_CHECKING:
    from fleet.config.calendars.events import CalendarEvent

COPIES = "calendars"
"""The folder of the copies, beside the policy."""
MOST_SHOWN = 5
"""The most mistakes of one calendar that are reported."""


class CalendarCopy(NamedTuple):
    """The file with the copy of a calendar. Its time of modification is when the calendar was last read."""

    text: Path
    error: Path
    """Why the calendar could not be read the last time; not there if it could."""


class ReadCalendar(NamedTuple):
    name: str = ""
    """The name of a calendar of windows, without what may be a secret: that of a freeze is in the policy."""
    events: tuple[CalendarEvent, ...] = ()
    never_read: bool = False
    """True if its content is unknown, because no copy was ever fetched."""


def copy_of(folder: Path, url: str) -> CalendarCopy:
    """Returns where the copy of the calendar is kept, for a policy in this folder. The URL, which may be a secret, is not
    in the name."""
    name = sha256(url.encode()).hexdigest()[:20]
    return CalendarCopy(folder / COPIES / f"{name}.ics", folder / COPIES / f"{name}.error")


def host_of(url: str) -> str:
    """Returns what of a URL may be shown: many calendars have a secret in the rest."""
    return urlsplit(url).hostname or "?"


def _reference(text: str) -> str:
    """Returns the path or the URL. Raises ValueError, with its message for users, for a URL that is not allowed."""
    if "://" not in text:
        return text
    url = text.replace("webcal://", "https://", 1) if text.startswith("webcal://") else text
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or not url.isprintable():
        raise ValueError("expected a path, or a URL that begins with https:// and has no user and password")
    return url.partition("#")[0]


def read_calendar(reader: Reader, *, freeze: str = "", zone: str = "") -> ReadCalendar:
    """Reads the key `calendar`, and `zone` for its days and for times without a zone. Mistakes of the calendar are
    mistakes of the policy, at the line of the key. `freeze`: its events are the freezes of this name; empty: they are
    windows."""
    try:
        reference = _reference(reader.value("calendar", forms.FILE, ""))
    except ValueError as wrong:
        # The usual message has what was found, which may be a secret.
        reader.problem(str(wrong), "calendar")
        reference = ""
    own_zone = reader.value("zone", time_forms.zone(), zone)
    if not reference:
        return ReadCalendar()
    folder = reader.folder
    path = folder / expanded(reference)
    name = freeze or _name(reference, own_zone)
    if "://" in reference:
        reader.findings.feeds.add(reference)
        copy = copy_of(folder, reference)
        _warn_of_age(reader, copy, host_of(reference))
        path = copy.text
        if not path.exists():
            return ReadCalendar(name, never_read=True)
    try:
        text = text_of(path)
        read_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        reader.problem("expected a calendar, found that the file is not there", "calendar")
        return ReadCalendar()
    except (OSError, ValueError) as wrong:
        reader.problem(f"expected a calendar, found that it {wrong}", "calendar")
        return ReadCalendar()
    # The library for calendars is imported for a policy that names one.
    from fleet.config.calendars.events import read_events

    reader.findings.calendars[name] = CalendarVersion(sha256(text.encode()).hexdigest(), read_at)
    content = read_events(text, own_zone, closes=bool(freeze))
    for problem in content.problems[:MOST_SHOWN]:
        reader.problem(problem, "calendar")
    for caution in content.cautions[:MOST_SHOWN]:
        reader.caution(caution, "calendar")
    return ReadCalendar(name, content.events)


def _name(reference: str, zone: str) -> str:
    """Returns the name of a calendar of windows: the file, or the host of the URL with a part of the URL's hash."""
    if "://" in reference:
        reference = f"{host_of(reference)}#{sha256(reference.encode()).hexdigest()[:8]}"
    return f"{reference} ({zone})" if zone else reference


def _warn_of_age(reader: Reader, copy: CalendarCopy, host: str) -> None:
    if not copy.error.exists():
        return
    why = text_of(copy.error).strip()
    if copy.text.exists():
        read_at = datetime.fromtimestamp(copy.text.stat().st_mtime, UTC)
        last = f"its copy of {read_at:%Y-%m-%d %H:%M} UTC counts"
    else:
        last = "it was never read, so no run starts"
    message = f"the calendar at {host} cannot be read: {why}; {last}"
    reader.findings.stale.append(message)
    reader.caution(message, "calendar")
