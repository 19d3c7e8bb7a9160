"""Looks the image's Python packages up in a copy of the OSV database on this computer: `make scan OSV=FOLDER`.

The folder has the unpacked archive of the ecosystem PyPI, a JSON file a record. Nothing is fetched. Exit code 0: no record
is about a version that the lock pins; 1: some are; 2: the folder is none, or has nothing about PyPI.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name
from packaging.version import Version

from fleet.core.records.errors import UsageError
from fleet.core.text.visible import visible
from tools.lock import DOCKERFILE, LOCK, LockError, Pinned, image_python, pinned
from tools.osv import Advisory, Package, affects, fixes, of_package

ECOSYSTEM = "PyPI"


class Finding(Struct, frozen=True, order=True):
    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    unclear: str = ""
    """Why it cannot be said whether this version is affected; empty: it is."""

    def __str__(self) -> str:
        names = f"{self.id} ({', '.join(self.aliases)})" if self.aliases else self.id
        if self.unclear:
            return visible(f"{self.package} {self.version}: {names}: may be affected: {self.unclear}")
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no fixed version is told"
        return visible(f"{self.package} {self.version}: {names}: {self.summary or 'no summary'}; {fixed}")


def records(folder: Path) -> Iterator[Advisory]:
    """Raises UsageError for a file that is no record."""
    for path in sorted(folder.rglob("*.json")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Advisory)
        except (OSError, msgspec.MsgspecError) as error:
            raise UsageError(f"{path}: this is no OSV record: {error}", "unpack the archive anew") from None


def about(advisories: Iterable[Advisory]) -> dict[str, list[Advisory]]:
    """By the normalized name of each package of PyPI, all that count for something."""
    found: dict[str, list[Advisory]] = {}
    for advisory in advisories:
        entries = of_package(advisory, lambda package: package.ecosystem == ECOSYSTEM)
        for name in {canonicalize_name(entry.package.name) for entry in entries if entry.package}:
            found.setdefault(name, []).append(advisory)
    return found


def findings(pins: Sequence[Pinned], known: Mapping[str, Sequence[Advisory]]) -> tuple[Finding, ...]:
    """A version of the record that nobody can order is a finding too: a person has to look."""
    found = []
    for pin in pins:
        for advisory in known.get(pin.name, ()):
            finding = _finding(pin, advisory)
            if finding is not None:
                found.append(finding)
    return tuple(sorted(found))


def _finding(pin: Pinned, advisory: Advisory) -> Finding | None:
    def is_it(package: Package) -> bool:
        return package.ecosystem == ECOSYSTEM and canonicalize_name(package.name) == pin.name

    entries, unclear, hit = of_package(advisory, is_it), "", False
    for entry in entries:
        try:
            hit = affects(entry, pin.version, Version) or hit
        except ValueError as error:
            unclear = str(error)
    if not hit and not unclear:
        return None
    fixed = tuple(dict.fromkeys(version for entry in entries for version in fixes(entry)))
    why = "" if hit else unclear
    return Finding(pin.name, pin.version, advisory.id, advisory.aliases, advisory.summary, fixed, why)


def main(words: Sequence[str], now: datetime) -> int:
    if len(words) != 1 or not words[0]:
        return _refused(UsageError("which database?", "make scan OSV=FOLDER"))
    folder = Path(words[0])
    try:
        if not folder.is_dir():
            raise UsageError(
                f"there is no folder {folder}", "unpack OSV's archive of the ecosystem PyPI there"
            )
        read = list(records(folder))
        known = about(read)
        if not known:
            raise UsageError(
                f"{folder} has no record about a package of PyPI: it proves nothing",
                "unpack OSV's archive of the ecosystem PyPI there",
            )
        pins = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
    except (UsageError, LockError) as error:
        return _refused(error)
    found = findings(pins, known)
    for each in found:
        print(each)
    newest = max(each.modified for each in read)
    print(
        f"{len(found)} finding{'' if len(found) == 1 else 's'} in {len(pins)} packages, by {len(read)} records about "
        f"{len(known)} packages. The newest record is of {newest.astimezone(UTC):%Y-%m-%d}, {(now - newest).days} days ago: "
        "what was found out later is not in it, and what is not in it proves nothing."
    )
    return 1 if found else 0


def _refused(error: UsageError | LockError) -> int:
    print(f"error: {error}", file=sys.stderr)
    if isinstance(error, UsageError) and error.hint:
        print(f"  -> {error.hint}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], datetime.now(UTC)))  # noqa: TID251 - the edge
