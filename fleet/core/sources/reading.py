"""Collects mistakes with file and line, and checks the forms of values, for all readers of sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from fleet.core.records.errors import ConfigError
from fleet.core.sources.record import TEXT_MOST, MachineRecord

HINT = "docs/sources.md has the columns of a CSV and the facts that fleet reads"
PROBLEMS_MOST = 100
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_MACHINE_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F-]{36}")
_NAME = re.compile(r"[\w](?:[\w.-]{0,251}[\w])?")
NOTHING = frozenset(["", "-", "n/a", "na", "none", "null", "unknown"])
"""Values, in lower case, by which spreadsheets and Ansible say that there is none."""


class FileRecord(Struct, frozen=True):
    """A record as a file has it. `seen` is None where the file does not say when it was so."""

    machine: MachineRecord
    seen: datetime | None = None


class ReadSource(Struct, frozen=True):
    """The machines that a file has."""

    records: tuple[FileRecord, ...]
    cautions: tuple[str, ...] = ()
    """What was left out, and why."""


class SourceProblems:
    """Collects the mistakes of a source. Every mistake is reported, up to PROBLEMS_MOST."""

    def __init__(self) -> None:
        self._found: list[tuple[str, int, str]] = []
        self._more = 0

    def add(self, place: str, message: str) -> None:
        if len(self._found) < PROBLEMS_MOST:
            file, _, line = place.rpartition(":")
            by_line = (file, int(line)) if line.isdecimal() else (place, 0)
            self._found.append((*by_line, f"{place}: {message}"))
        else:
            self._more += 1

    def raise_any(self, hint: str = HINT) -> None:
        """Raises ConfigError if there are mistakes, in the order of files and lines."""
        if self._found:
            found = [text for _, _, text in sorted(self._found, key=lambda one: one[:2])]
            more = [f"and {self._more:,} more mistakes"] if self._more else []
            raise ConfigError([*found, *more], hint, where="the source", count=len(found) + self._more)


def value_of(text: str) -> str:
    """Returns the value; empty for a text by which a source says that it has none."""
    stripped = text.strip()
    return "" if stripped.casefold() in NOTHING else stripped


def uuid_of(text: str) -> str:
    """Returns the UUID. Raises ValueError for a text that is none, or one that firmware without a UUID reports."""
    if not _UUID.fullmatch(text):
        raise ValueError(f"expected a UUID, found {text[:64]!r}")
    digits = set(text.replace("-", "").casefold())
    if len(digits) == 1:
        raise ValueError(f"expected a UUID, found {text[:64]!r}, which firmware without one reports")
    return text.casefold()


def machine_id_of(text: str) -> str:
    """Returns the machine id. Raises ValueError."""
    if not _MACHINE_ID.fullmatch(text):
        raise ValueError(f"expected 32 hexadecimal digits as in /etc/machine-id, found {text[:64]!r}")
    return text.casefold().replace("-", "")


def name_of(text: str) -> str:
    """Returns the name without a dot at its end. Raises ValueError."""
    name = text.removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a host name, found {text[:64]!r}")
    return name


def fact_of(text: str) -> str:
    """Returns the value of a fact. Raises ValueError."""
    if len(text) > TEXT_MOST or not text.isprintable():
        raise ValueError(f"expected at most {TEXT_MOST} printable characters, found {text[:64]!r}")
    return text


def moment_of(text: str, now: datetime) -> datetime:
    """Returns the time, in UTC where the text names no zone. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"expected a time such as 2026-09-01 or 2026-09-01T10:00Z, found {text[:64]!r}"
        ) from None
    if found > now:
        raise ValueError(f"expected a time that has passed, found {text[:64]!r}")
    return found


def repeated(places: Sequence[str], records: Sequence[FileRecord], problems: SourceProblems) -> None:
    """Adds a problem for each record whose key an earlier one has."""
    first: dict[str, str] = {}
    for place, record in zip(places, records, strict=True):
        other = first.setdefault(record.machine.key, place)
        if other != place:
            problems.add(place, f"expected each machine once, found {record.machine.key} of {other} again")
