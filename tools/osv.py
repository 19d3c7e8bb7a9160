"""Reads records of known vulnerabilities in the OSV format, and decides which versions are affected.

Source: https://ossf.github.io/osv-schema/ (affected[].ranges[], "Evaluation"). The caller
knows the order of an ecosystem's versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

Order = Callable[[str], Any]
"""Parses a version of the ecosystem into a value that can be compared. Raises ValueError for an invalid version."""


class Package(Struct, frozen=True):
    ecosystem: str = ""
    """The ecosystem, such as `PyPI`, or a part of one: `AlmaLinux:8`."""
    name: str = ""


class Event(Struct, frozen=True):
    """An event in the order of versions. Exactly one field is set."""

    introduced: str = ""
    """The first affected version; 0 comes before all versions."""
    fixed: str = ""
    """The first version that is not affected any more."""
    last_affected: str = ""
    limit: str = ""
    """The record makes no statement about this and later versions; * is no limit."""


class Range(Struct, frozen=True):
    type: str = ""
    """ECOSYSTEM or SEMVER; GIT stands for commits instead of versions."""
    events: tuple[Event, ...] = ()


class Affected(Struct, frozen=True):
    package: Package | None = None
    """None: the record names commits only."""
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()


class Advisory(Struct, frozen=True):
    id: str
    modified: Annotated[datetime, Meta(tz=True)]
    withdrawn: Annotated[datetime, Meta(tz=True)] | None = None
    """The time since which the record does not count."""
    aliases: tuple[str, ...] = ()
    summary: str = ""
    affected: tuple[Affected, ...] | None = ()


def of_package(advisory: Advisory, matches: Callable[[Package], bool]) -> tuple[Affected, ...]:
    """Returns the record's statements about one package; empty: it has none, which does not mean that the package is
    safe."""
    if advisory.withdrawn is not None:
        return ()
    return tuple(entry for entry in advisory.affected or () if entry.package and matches(entry.package))


def affects(affected: Affected, version: str, order: Order) -> bool:
    """Returns whether the version is affected. Raises ValueError if it, or a version of the record's ranges, cannot be
    ordered."""
    if version in affected.versions or _listed(affected, version, order):
        return True
    ranges = [
        version_range for version_range in affected.ranges if version_range.type in ("ECOSYSTEM", "SEMVER")
    ]
    return any(_within(version_range, order(version), order) for version_range in ranges)


def fixes(affected: Affected) -> tuple[str, ...]:
    """Returns the versions that fix the vulnerability, as the record names them; empty: there is none."""
    return tuple(
        event.fixed for span in affected.ranges if span.type != "GIT" for event in span.events if event.fixed
    )


def _listed(affected: Affected, version: str, order: Order) -> bool:
    """Returns whether the version is listed, possibly in another form: some ecosystems take 1.0 and 1.0.0 for one version.
    Listed versions that cannot be ordered are skipped."""
    wanted = order(version)
    return any(listed == wanted for listed in _ordered(affected.versions, order))


def _ordered(versions: tuple[str, ...], order: Order) -> Iterator[Any]:
    for version in versions:
        try:
            yield order(version)
        except ValueError:
            continue


def _within(version_range: Range, version: Any, order: Order) -> bool:
    limits = [event.limit for event in version_range.events if event.limit]
    if limits and "*" not in limits and not any(version < order(limit) for limit in limits):
        return False
    inside = any(event.introduced == "0" for event in version_range.events)
    turns = [event for event in version_range.events if not event.limit and event.introduced != "0"]
    # Of two events at one version, `introduced` counts.
    for at, begins, event in sorted((_turn(event, order) for event in turns), key=lambda turn: turn[:2]):
        if begins and version >= at:
            inside = True
        elif (event.fixed and version >= at) or (event.last_affected and version > at):
            inside = False
    return inside


def _turn(event: Event, order: Order) -> tuple[Any, bool, Event]:
    at = event.introduced or event.fixed or event.last_affected
    return order(at), bool(event.introduced), event
