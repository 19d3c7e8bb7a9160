"""Imports what other systems have of machines: spreadsheets, facts and inventories of Ansible."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
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
from fleet.core.sources.source_list import ImportedSource, ListedSource, SourceList, counted_in
from fleet.core.sources.spreadsheet import read_csv
from fleet.core.text.encoding import decoded, in_utf8
from fleet.store.inventory.sources import SourceRow

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
    """Name of the source. Empty: that of the file, without its ending."""
    meanings: tuple[str, ...] = ()
    """What further heads of a CSV mean, each as HEAD=COLUMN."""
    dry_run: bool = False


def import_source(home: Home, path: Path, settings: ImportSettings) -> ImportedSource:
    """Reads a file or folder, and replaces what the source of that name has had. Raises UsageError for a file that cannot
    be read, and ConfigError with all its mistakes; nothing is stored then."""
    caller = allowed(home, Role.ADMIN, "import sources")
    name = _name(path, settings.name)
    now = home.now()
    kind, read, changed = _read(path, _meanings(settings.meanings), now)
    if not read.records:
        raise UsageError(f"{path} has no machine", "; ".join(read.cautions[:3]) or REMEDY)
    records = [SourcedRecord(name, record.seen or changed, record.machine) for record in read.records]
    row = SourceRow(name, kind, path.absolute().name, now, caller.actor)
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


def remove_source(home: Home, name: str) -> int:
    """Removes a source and returns how many machines it had. Raises UsageError where there is none."""
    allowed(home, Role.ADMIN, "remove sources")
    return home.store.sources.remove(name, at=home.now())


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
    name = given or (path.absolute().name if path.is_dir() else path.absolute().stem)
    if not _NAME.fullmatch(name) or name in TAKEN:
        raise UsageError(
            f"a source cannot have the name {name!r}",
            f"--name takes letters, digits, dots and hyphens, and none of {', '.join(TAKEN)}",
        )
    return name


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
    if path.is_dir():
        _refuse_map(meanings)
        return "ansible-facts", read_facts(_files(path, now), now), now
    content, changed = _content(path, now)
    if content.lstrip().startswith(b"{"):
        _refuse_map(meanings)
        if is_inventory(content):
            return "ansible-inventory", read_inventory(content, str(path)), changed
        return "ansible-facts", read_facts([(str(path), content, changed)], now), changed
    try:
        text = decoded(content)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not {error.encoding.upper()} (byte {error.start})", "save it as CSV in UTF-8"
        ) from None
    return "csv", read_csv(text, str(path), now, meanings), changed


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
    """Returns the content in UTF-8, and when the file was last changed; a time in the future is now."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # To open a pipe waits for its writer, and a device need not have an end.
            raise UsageError(f"{path} is no file", REMEDY)
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}", REMEDY) from None
    if content.startswith(WORKBOOKS):
        raise UsageError(f"{path} is a workbook or an archive, and no CSV", "save its sheet as CSV in UTF-8")
    if len(content) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST >> 20} MiB", REMEDY)
    try:
        return in_utf8(content), min(now, datetime.fromtimestamp(status.st_mtime, UTC))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not {error.encoding.upper()} (byte {error.start})", "save it in UTF-8"
        ) from None
