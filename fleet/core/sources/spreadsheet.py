"""Reads machines from a CSV, as a spreadsheet or another inventory (NetBox, a CMDB) exports it.

Columns are recognized by the words in their heads; every other head is a mistake, unless the user says what it means.
Source of the format: RFC 4180, with the separators that spreadsheets write.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from msgspec import Struct

from fleet.core.sources.reading import (
    FileRecord,
    ReadSource,
    SourceProblems,
    fact_of,
    machine_id_of,
    moment_of,
    name_of,
    repeated,
    uuid_of,
    value_of,
)
from fleet.core.sources.record import FACTS, MachineRecord

HEADS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "hostname", "host", "host name", "node", "server", "fqdn", "inventory hostname"),
    "address": (
        "address",
        "addresses",
        "ip",
        "ips",
        "ip address",
        "ip addresses",
        "primary ip",
        "ipv4",
        "ipv6",
    ),
    "machine id": ("machine id",),
    "system uuid": ("system uuid", "uuid", "bios uuid", "product uuid", "hardware uuid"),
    "provider id": ("provider id",),
    "os": ("os", "os name", "operating system", "distribution", "platform"),
    "release": ("release", "version", "os version", "os release", "image version"),
    "kernel": ("kernel", "kernel version"),
    "architecture": ("architecture", "arch"),
    "site": ("site", "datacenter", "data center", "location"),
    "zone": ("zone", "availability zone"),
    "serial": ("serial", "serial number"),
    "seen": ("seen", "last seen", "seen at", "updated", "last updated", "as of"),
}
"""The columns, each with the heads by which it is recognized. Case, blanks, `_` and `-` make no difference."""
IDENTIFYING = frozenset(["name", "address", "machine id", "system uuid", "provider id"])
"""The columns of which a machine needs one."""
LABEL = "label "
"""The head `label KEY` is a column of the label with this key."""
_KNOWN = {head: column for column, heads in HEADS.items() for head in heads}
_SEPARATORS = ",;\t|"
_NAMED_SEPARATOR = re.compile(f"sep=([{_SEPARATORS}])\r?\n", re.IGNORECASE)
"""The first line by which Excel is told the separator; it is no row."""
_LABEL_KEY = re.compile(r"(?:[A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?")
ROWS_MOST = 1_000_000
_HEADS_HINT = (
    f"known columns: {', '.join(HEADS)}, label KEY; --map 'HEAD=COLUMN' says what another one means, "
    "--map 'HEAD=' leaves it out"
)
"""The remedy where heads are not known."""


class _Column(Struct, frozen=True):
    """A column of the file: what it means. An empty meaning: it is left out."""

    head: str
    meaning: str


def read_csv(text: str, file: str, now: datetime, meanings: Mapping[str, str] = {}) -> ReadSource:
    """Returns the machines of a CSV. `meanings`: what further heads mean; empty: they are left out. Raises ConfigError
    with all mistakes, each with file and line."""
    problems = SourceProblems()
    rows = list(_rows(text, file, problems))
    problems.raise_any()
    if not rows:
        problems.add(f"{file}:1", "expected a row with the heads of the columns, found nothing")
        problems.raise_any()
    line, heads = rows[0]
    columns = _columns(heads, f"{file}:{line}", meanings, problems)
    # With heads that are not understood, every row would be wrong.
    problems.raise_any(_HEADS_HINT)
    read = [
        (f"{file}:{number}", _record(cells, columns, f"{file}:{number}", now, problems))
        for number, cells in rows[1:]
        if any(cell.strip() for cell in cells)
    ]
    there = [(place, record) for place, record in read if record is not None]
    repeated([place for place, _ in there], [record for _, record in there], problems)
    if not read:
        problems.add(f"{file}:{line}", "expected at least one machine below the heads, found none")
    problems.raise_any()
    return ReadSource(tuple(record for _, record in there))


def _rows(text: str, file: str, problems: SourceProblems) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows with the line in which each begins."""
    file_text = io.StringIO(text, newline="")
    first = file_text.readline()
    if (named := _NAMED_SEPARATOR.fullmatch(first)) is not None:
        separator, before = named[1], 1
    else:
        file_text.seek(0)
        separator, before = max(_SEPARATORS, key=first.count), 0
    reader = csv.reader(file_text, delimiter=separator, strict=True)
    line = 1 + before
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1 + before
            if line > ROWS_MOST:
                problems.add(f"{file}:{line}", f"expected at most {ROWS_MOST:,} lines")
                return
    except csv.Error as error:
        problems.add(f"{file}:{line}", f"expected a CSV (RFC 4180), found: {error}")


def _plain(head: str) -> str:
    return " ".join(re.split(r"[\s_-]+", head.strip().casefold()))


def _columns(
    heads: Sequence[str], place: str, meanings: Mapping[str, str], problems: SourceProblems
) -> list[_Column | None]:
    """Returns the columns; None for a head that is not understood."""
    found: list[_Column | None] = []
    asked = {_plain(head): meaning for head, meaning in meanings.items()}
    for head in sorted(asked.keys() - {_plain(head) for head in heads}):
        problems.add(place, f"expected a column {head!r}, which --map names, found none")
    for number, head in enumerate(heads, start=1):
        plain = _plain(head)
        meaning = asked[plain] if plain in asked else _meaning(head)
        taken = next((one for one in found if one is not None and meaning and one.meaning == meaning), None)
        if meaning is None or not _is_meaning(meaning):
            problems.add(place, _not_known(head, number, meaning))
            found.append(None)
            continue
        if taken is not None and meaning != "address":
            problems.add(place, f"expected one column of {meaning}, found {taken.head!r} and {head!r}")
        found.append(_Column(head, meaning))
    if IDENTIFYING.isdisjoint(one.meaning for one in found if one is not None):
        problems.add(
            place, "expected a column that names the machines, such as name or system uuid, found none"
        )
    return found


def _meaning(head: str) -> str | None:
    """Returns what a head means without further words; None where it is not known."""
    if (key := head.strip())[: len(LABEL)].casefold() in (LABEL, "label:"):
        return LABEL + key[len(LABEL) :].strip()
    return _KNOWN.get(_plain(head))


def _is_meaning(meaning: str) -> bool:
    return (
        not meaning
        or meaning in HEADS
        or (meaning.startswith(LABEL) and _LABEL_KEY.fullmatch(meaning.removeprefix(LABEL)) is not None)
    )


def _not_known(head: str, number: int, meaning: str | None) -> str:
    if meaning is not None:
        return f"expected one of {', '.join(HEADS)} or label KEY as the meaning of {head!r}, found {meaning[:64]!r}"
    near = get_close_matches(_plain(head), _KNOWN, 1, 0.75)
    more = f"; did you mean {near[0]}?" if near else ""
    return f"expected a known column, found {head[:64]!r} (column {number}){more}"


def _record(
    cells: Sequence[str],
    columns: Sequence[_Column | None],
    place: str,
    now: datetime,
    problems: SourceProblems,
) -> FileRecord | None:
    """Returns the record of a row; None where nothing names the machine."""
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        problems.add(place, f"expected {len(columns)} cells, found {len(cells)}")
    values: dict[str, list[str]] = {}
    for column, cell in zip(columns, cells, strict=False):
        value = value_of(cell)
        if column is None or not column.meaning or not value:
            continue
        found = values.setdefault(column.meaning, [])
        try:
            found += _read(column.meaning, value, now)
        except ValueError as error:
            problems.add(place, f"{column.head.strip()}: {error}")
    one = {meaning: texts[0] for meaning, texts in values.items() if texts}
    machine = MachineRecord(
        one.get("name", ""),
        tuple(values.get("address", ())),
        one.get("machine id", ""),
        one.get("system uuid", ""),
        one.get("provider id", ""),
        {fact: one[fact] for fact in FACTS if fact in one},
        {key.removeprefix(LABEL): value for key, value in one.items() if key.startswith(LABEL)},
    )
    if not machine.key:
        if IDENTIFYING.isdisjoint(values):
            problems.add(place, "expected a name, an address or an id of the machine, found none")
        return None
    return FileRecord(machine, datetime.fromisoformat(one["seen"]) if "seen" in one else None)


_FORMS: Mapping[str, Callable[[str], str]] = {
    "name": name_of,
    "machine id": machine_id_of,
    "system uuid": uuid_of,
}
"""The forms of values; every other one is a fact."""


def _read(meaning: str, text: str, now: datetime) -> list[str]:
    """Returns the values in a cell. Raises ValueError, with its message for users."""
    if meaning == "address":
        return [_address(part) for part in re.split(r"[\s,;]+", text)]
    if meaning == "seen":
        return [moment_of(text, now).isoformat()]
    return [_FORMS.get(meaning, fact_of)(text)]


def _address(text: str) -> str:
    """Returns the address without the length of its network, with which NetBox exports it. Raises ValueError."""
    try:
        return str(ipaddress.ip_interface(text).ip)
    except ValueError:
        raise ValueError(f"expected an IP address, found {text[:64]!r}") from None
