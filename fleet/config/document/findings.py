"""Collects mistakes and doubtful values while a file is read, so that all of them are reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from fleet.config.document.spelling import FILE, Spelling
from fleet.core.policy.times.calendar_events import CalendarVersion
from fleet.core.releases.feed import FeedSource

if TYPE_CHECKING:
    from fleet.config.document.asked_key import AskedKey

MOST = 100
"""The number of problems after which the rest of a file is not read: such a file is not a policy."""


class SourcePlace(Struct, frozen=True, order=True):
    file: str
    line: int
    """The line, counted from 1; 0 where the text that was read has no lines."""
    path: str = ""
    """The path of the key, from the top of the file: `pools.workers.limits.per_zone`."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}" if self.path else place


class Caution(Struct, frozen=True, order=True):
    """A value that is allowed but probably not intended."""

    place: SourcePlace
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class TooMany(Exception):
    """Raised where a file has more problems than a user would read; the code that collects the problems stops
    there."""


class Findings:
    """`spelling`: how the document that is read spells its keys."""

    def __init__(self, spelling: Spelling = FILE) -> None:
        self.spelling = spelling
        self._problems: list[tuple[SourcePlace, str]] = []
        self._cautions: list[Caution] = []
        self.known_keys: dict[str, AskedKey] = {}
        """The keys that were asked for, given or not: all keys that a file may have (`pools[].limits.per_zone`)."""

        self.feeds: set[str] = set()
        """The URLs of calendars that the file names."""
        self.release_feeds: dict[str, FeedSource] = {}
        """The feeds that the file names, by stream."""
        self.calendars: dict[str, CalendarVersion] = {}
        """The texts of the calendars that were read, by the calendar's name."""
        self.stale: list[str] = []
        """The calendars whose servers did not answer when they were last asked, each with the reason."""

    def ask(self, pattern: str, asked: AskedKey) -> None:
        """Adds a key that a reader asks for."""
        known = self.known_keys.get(pattern)
        if known is not asked:
            self.known_keys[pattern] = asked if known is None else known.both(asked)

    def problem(self, place: SourcePlace, message: str) -> None:
        """Adds a mistake. Raises TooMany where there are more than MOST."""
        if len(self._problems) >= MOST:
            raise TooMany
        self._problems.append((place, message))

    def caution(self, place: SourcePlace, message: str) -> None:
        if len(self._cautions) < MOST:
            self._cautions.append(Caution(place, message))

    @property
    def problems(self) -> list[str]:
        """Returns the mistakes by file and line; a mistake that an alias repeats is returned once."""
        names = self._key_names()
        spelled = (f"{place}: {self.spelling.message(text, names)}" for place, text in sorted(self._problems))
        return list(dict.fromkeys(spelled))

    @property
    def problems_by_file(self) -> dict[str, tuple[str, ...]]:
        """Returns the mistakes of each file, or object, without its name before them."""
        names = self._key_names()
        found: dict[str, dict[str, None]] = {}
        for place, message in sorted(self._problems):
            path, text = (
                str(replace(place, file="")).removeprefix(": "),
                self.spelling.message(message, names),
            )
            found.setdefault(place.file, {})[f"{path}: {text}" if path else text] = None
        return {file: tuple(messages) for file, messages in found.items()}

    @property
    def cautions(self) -> tuple[Caution, ...]:
        names = self._key_names()
        found = (
            replace(each, message=self.spelling.message(each.message, names))
            for each in sorted(self._cautions)
        )
        return tuple(dict.fromkeys(found))

    def _key_names(self) -> frozenset[str]:
        """Returns the keys without the path before them."""
        return frozenset(pattern.rpartition(".")[2] for pattern in self.known_keys)
