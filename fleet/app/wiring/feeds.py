"""Fetches the calendars that a policy names by URL. Only a calendar that can be read takes the place of the last copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.wiring.home import Home
from fleet.system.download import DownloadError, download
from fleet.system.files import beside

if TYPE_CHECKING:
    from fleet.config.calendars.source import CalendarCopy

PRIVATE = 0o600


def fetch_calendars(home: Home) -> None:
    """Fetches every calendar of the policy. A failure is kept beside the copy, and the policy's warnings say so from then
    on. Raises ConfigError for a policy with mistakes."""
    if not home.has_policy:
        return
    from fleet.config.calendars.source import copy_of

    for url in home.whole_policy().feeds:
        copy = copy_of(home.policy_file.absolute().parent, url)
        try:
            _fetch(url, copy)
        except OSError as error:
            home.warn(f"the copy of a calendar is not written: {error.strerror or error}")


def _fetch(url: str, copy: CalendarCopy) -> None:
    from fleet.config.calendars.events import read_events
    from fleet.config.document.fragment import MOST_BYTES

    copy.text.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        text = download(url, MOST_BYTES).decode("utf-8-sig")
        problems = read_events(text, "", closes=True).problems
        if problems:
            raise DownloadError(problems[0])
    except UnicodeDecodeError:
        _write(copy.error, "it is not UTF-8")
    except DownloadError as error:
        _write(copy.error, str(error))
    else:
        _write(copy.text, text)
        copy.error.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with beside(path, text.encode(), PRIVATE) as made:
        made.replace(path)
