"""Imports what other systems have of machines: spreadsheets, facts and inventories of Ansible."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from fleet.app.access.allowed import allowed
from fleet.app.reporting.status import known_in
from fleet.app.wiring.home import Home
from fleet.app.wiring.source_records import matching_of
from fleet.core.policy.access import Role
from fleet.core.records.errors import UsageError
from fleet.core.sources.ansible_facts import is_inventory, read_facts, read_inventory
from fleet.core.sources.matching import SourceMatching
from fleet.core.sources.reading import ReadSource
from fleet.core.sources.record import SourcedRecord, SourceKind
from fleet.core.sources.source_list import (
    ImportedSource,
    ListedSource,
    RemovedSource,
    SourceList,
    counted_in,
    forgotten_with,
)
from fleet.core.sources.spreadsheet import read_csv
from fleet.store.inventory.sources import SourceRow
from fleet.system.given_file import given_file, is_standard_input, shown_name, stem

LARGEST = 64 << 20
"""The size of the largest file that is read, in bytes."""
FILES_MOST = 100_000
REMEDY = "give a CSV, the output of ansible-inventory --list, or the facts of ansible -m setup --tree FOLDER"
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How the files of Excel and LibreOffice begin: zip archives, and compound files (.xls)."""
TAKEN = ("kubelet", "agent", "ssh", "playbook")
"""Sources that fleet reads itself."""
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?")


class ImportSettings(Struct, frozen=True):
    """The settings of an import."""

    name: str = ""
    """Name of the source. Empty: that of the file, without its ending. A pipe and standard input need one."""
    meanings: tuple[str, ...] = ()
    """What further heads of a CSV mean, each as HEAD=COLUMN."""
    dry_run: bool = False


def import_source(home: Home, path: Path, settings: ImportSettings) -> ImportedSource:
    """Reads a file, a folder, a pipe or standard input (`-`), and replaces what the source of that name has had. Raises
    UsageError for a file that cannot be read, and ConfigError with all its mistakes; nothing is stored then."""
    caller = allowed(home, Role.ADMIN, "import sources")
    name = _name(path, settings.name)
    now = home.now()
    kind, read, changed = _read(path, _meanings(settings.meanings), now)
    if not read.records:
        raise UsageError(f"{shown_name(path)} has no machine", "; ".join(read.cautions[:3]) or REMEDY)
    records = [SourcedRecord(name, record.seen or changed, record.machine) for record in read.records]
    row = SourceRow(
        name, kind, shown_name(path) if is_standard_input(path) else path.absolute().name, now, caller.actor
    )
    listed = _listed(row, records, _match(home, records))
    if settings.dry_run:
        return ImportedSource(listed, 0, 0, 0, 0, read.cautions, dry_run=True)
    changes = home.make().sources.replace(row, records)
    return ImportedSource(listed, changes.added, changes.changed, changes.gone, changes.same, read.cautions)


def list_sources(home: Home) -> SourceList:
    """Returns the sources, with how many of their machines are nodes."""
    records = home.store.sources.records()
    matching = _match(home, records)
    return SourceList(
        tuple(
            _listed(row, [one for one in records if one.source == row.name], matching)
            for row in home.store.sources.list()
        )
    )


def remove_source(home: Home, name: str) -> RemovedSource:
    """Removes a source and returns which machines are forgotten with the source. Raises UsageError where there is
    none."""
    allowed(home, Role.ADMIN, "remove sources")
    sources = home.store.sources
    forgotten = forgotten_with(name, _match(home, sources.records()))
    return RemovedSource(name, sources.remove(name, at=home.now()), forgotten)


def _match(home: Home, records: Sequence[SourcedRecord]) -> SourceMatching:
    if not home.exists:
        return matching_of(home, (), (), records)
    rows = home.clusters()
    return matching_of(home, rows, known_in(home, rows), records)


def _listed(row: SourceRow, records: Sequence[SourcedRecord], matching: SourceMatching) -> ListedSource:
    nodes, alone, ambiguous = counted_in(row.name, matching)
    oldest = min((record.seen for record in records), default=None)
    return ListedSource(
        row.name,
        row.kind,
        row.file,
        row.imported_at,
        row.imported_by,
        len(records),
        nodes,
        alone,
        ambiguous,
        oldest,
    )


def _name(path: Path, given: str) -> str:
    name = given or (path.absolute().name if _is_folder(path) else stem(path, "--name NAME"))
    if not _NAME.fullmatch(name) or name in TAKEN:
        raise UsageError(
            f"a source cannot have the name {name!r}",
            f"--name takes letters, digits, dots and hyphens, and none of {', '.join(TAKEN)}",
        )
    return name


def _is_folder(path: Path) -> bool:
    return not is_standard_input(path) and path.is_dir()


def _meanings(given: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in given:
        head, equals, column = each.rpartition("=")
        if not equals or not head.strip():
            raise UsageError(f"--map takes HEAD=COLUMN, not {each!r}", "such as --map 'Asset Tag=serial'")
        found[head] = column.strip()
    return found


def _read(path: Path, meanings: Mapping[str, str], now: datetime) -> tuple[SourceKind, ReadSource, datetime]:
    """Returns the kind, what the source has, and when its file was last changed."""
    if _is_folder(path):
        _refuse_map(meanings)
        return "ansible-facts", read_facts(_files(path, now), now), now
    content, changed = _content(path, now)
    shown = shown_name(path)
    if content.lstrip().startswith(b"{"):
        _refuse_map(meanings)
        if is_inventory(content):
            return "ansible-inventory", read_inventory(content, shown), changed
        return "ansible-facts", read_facts([(shown, content, changed)], now), changed
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{shown} is not {error.encoding.upper()} (byte {error.start})", "save it as CSV in UTF-8"
        ) from None
    return "csv", read_csv(text, shown, now, meanings), changed


def _refuse_map(meanings: Mapping[str, str]) -> None:
    if meanings:
        raise UsageError("--map is for the columns of a CSV", "leave it out")


def _files(folder: Path, now: datetime) -> Iterator[tuple[str, bytes, datetime]]:
    """Yields the files of a folder one after another: all of them need not be in memory."""
    for number, file in enumerate(sorted(folder.iterdir())):
        if number >= FILES_MOST:
            raise UsageError(f"{folder} has more than {FILES_MOST:,} files", REMEDY)
        if not file.name.startswith(".") and file.is_file():
            yield (str(file), *_content(file, now))


def _content(path: Path, now: datetime) -> tuple[bytes, datetime]:
    """Returns the content in UTF-8, and when the file was last changed; a pipe's content, and a time in the future, are
    of now."""
    found = given_file(path, LARGEST, REMEDY)
    if found.content.startswith(WORKBOOKS):
        raise UsageError(
            f"{shown_name(path)} is a workbook or an archive, and no CSV", "save its sheet as CSV in UTF-8"
        )
    return found.content, min(now, found.changed or now)
