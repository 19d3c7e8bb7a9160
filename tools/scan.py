"""Looks the image's Python packages up in a copy of the OSV database on this computer: `make scan OSV=FOLDER`.

The folder has the unpacked archive of the ecosystem PyPI, a JSON file a record. Nothing is fetched. Exit code 0: no record
is about a version that the lock pins; 1: some are; 2: there is no such folder, or it has nothing about PyPI.
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
    """Why it is unknown whether this version is affected; empty: the version is affected."""

    def __str__(self) -> str:
        names = f"{self.id} ({', '.join(self.aliases)})" if self.aliases else self.id
        if self.unclear:
            return visible(f"{self.package} {self.version}: {names}: may be affected: {self.unclear}")
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no fixed version is named"
        return visible(f"{self.package} {self.version}: {names}: {self.summary or 'no summary'}; {fixed}")


def records(folder: Path) -> Iterator[Advisory]:
    """Yields the records of the folder. Raises UsageError for a file that is not a record."""
    for path in sorted(folder.rglob("*.json")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Advisory)
        except (OSError, msgspec.MsgspecError) as error:
            raise UsageError(f"{path}: this is no OSV record: {error}", "unpack the archive again") from None


def about(advisories: Iterable[Advisory]) -> dict[str, list[Advisory]]:
    """Returns the records that are not withdrawn, by the normalized name of each package of PyPI."""
    by_package: dict[str, list[Advisory]] = {}
    for advisory in advisories:
        entries = of_package(advisory, lambda package: package.ecosystem == ECOSYSTEM)
        for name in {canonicalize_name(entry.package.name) for entry in entries if entry.package}:
            by_package.setdefault(name, []).append(advisory)
    return by_package


def findings(pins: Sequence[Pinned], by_package: Mapping[str, Sequence[Advisory]]) -> tuple[Finding, ...]:
    """Returns the findings. A record with a version that cannot be ordered is a finding too: a user has to look at it."""
    results = []
    for pin in pins:
        for advisory in by_package.get(pin.name, ()):
            finding = _finding(pin, advisory)
            if finding is not None:
                results.append(finding)
    return tuple(sorted(results))


def _finding(pin: Pinned, advisory: Advisory) -> Finding | None:
    def matches(package: Package) -> bool:
        return package.ecosystem == ECOSYSTEM and canonicalize_name(package.name) == pin.name

    entries, unclear, affected = of_package(advisory, matches), "", False
    for entry in entries:
        try:
            affected = affects(entry, pin.version, Version) or affected
        except ValueError as error:
            unclear = str(error)
    if not affected and not unclear:
        return None
    fixed = tuple(dict.fromkeys(version for entry in entries for version in fixes(entry)))
    why = "" if affected else unclear
    return Finding(pin.name, pin.version, advisory.id, advisory.aliases, advisory.summary, fixed, why)


def main(arguments: Sequence[str], now: datetime) -> int:
    if len(arguments) != 1 or not arguments[0]:
        return _refused(UsageError("which database?", "make scan OSV=FOLDER"))
    folder = Path(arguments[0])
    try:
        if not folder.is_dir():
            raise UsageError(
                f"there is no folder {folder}", "unpack OSV's archive of the ecosystem PyPI there"
            )
        advisories = list(records(folder))
        by_package = about(advisories)
        if not by_package:
            raise UsageError(
                f"{folder} has no record about a package of PyPI: it proves nothing",
                "unpack OSV's archive of the ecosystem PyPI there",
            )
        pins = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
    except (UsageError, LockError) as error:
        return _refused(error)
    results = findings(pins, by_package)
    for result in results:
        print(result)
    newest = max(advisory.modified for advisory in advisories)
    print(
        f"{len(results)} finding{'' if len(results) == 1 else 's'} in {len(pins)} packages, by {len(advisories)} records "
        f"about {len(by_package)} packages. The newest record is of {newest.astimezone(UTC):%Y-%m-%d}, "
        f"{(now - newest).days} days ago: "
        "later vulnerabilities are not in it, and a missing record proves nothing."
    )
    return 1 if results else 0


def _refused(error: UsageError | LockError) -> int:
    print(f"error: {error}", file=sys.stderr)
    if isinstance(error, UsageError) and error.hint:
        print(f"  -> {error.hint}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], datetime.now(UTC)))  # noqa: TID251 - the edge
