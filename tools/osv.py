"""Records of known vulnerabilities in the OSV format, and which versions each says are affected.

Source: https://ossf.github.io/osv-schema/ (affected[].ranges[], "Evaluation"). How versions of an ecosystem are ordered is
the caller's to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

Order = Callable[[str], Any]
"""Reads a version of the ecosystem into what can be compared. Raises ValueError for one that is none."""


class Package(Struct, frozen=True):
    ecosystem: str = ""
    """`PyPI`, or with a part of it: `AlmaLinux:8`."""
    name: str = ""


class Event(Struct, frozen=True):
    """One of its fields is set."""

    introduced: str = ""
    """The first affected version; 0 stands before all."""
    fixed: str = ""
    """The first that is not affected any more."""
    last_affected: str = ""
    limit: str = ""
    """No version from here on is told of; * is no limit."""


class Range(Struct, frozen=True):
    type: str = ""
    """ECOSYSTEM or SEMVER; GIT tells commits, and nothing about versions."""
    events: tuple[Event, ...] = ()


class Affected(Struct, frozen=True):
    package: Package | None = None
    """None: it is told by commits alone."""
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()


class Advisory(Struct, frozen=True):
    id: str
    modified: Annotated[datetime, Meta(tz=True)]
    withdrawn: Annotated[datetime, Meta(tz=True)] | None = None
    """Since when the record counts for nothing."""
    aliases: tuple[str, ...] = ()
    summary: str = ""
    affected: tuple[Affected, ...] | None = ()


def of_package(advisory: Advisory, is_it: Callable[[Package], bool]) -> tuple[Affected, ...]:
    """What the record says of one package; empty: it has no statement about it, which does not mean that it is safe."""
    if advisory.withdrawn is not None:
        return ()
    return tuple(each for each in advisory.affected or () if each.package and is_it(each.package))


def affects(affected: Affected, version: str, order: Order) -> bool:
    """Raises ValueError where a version cannot be ordered, the given one or one of the record's ranges."""
    if version in affected.versions or _listed(affected, version, order):
        return True
    ranges = [
        version_range for version_range in affected.ranges if version_range.type in ("ECOSYSTEM", "SEMVER")
    ]
    return any(_within(version_range, order(version), order) for version_range in ranges)


def fixes(affected: Affected) -> tuple[str, ...]:
    """The versions with which it is over, as the record has them; empty: there is none."""
    return tuple(
        event.fixed for span in affected.ranges if span.type != "GIT" for event in span.events if event.fixed
    )


def _listed(affected: Affected, version: str, order: Order) -> bool:
    """Written in another way: 1.0 and 1.0.0 are one version to some ecosystems. Old versions follow no order."""
    wanted = order(version)
    return any(each == wanted for each in _ordered(affected.versions, order))


def _ordered(versions: tuple[str, ...], order: Order) -> Iterator[Any]:
    for version in versions:
        try:
            yield order(version)
        except ValueError:
            continue


def _within(found: Range, version: Any, order: Order) -> bool:
    limits = [event.limit for event in found.events if event.limit]
    if limits and "*" not in limits and not any(version < order(limit) for limit in limits):
        return False
    inside = any(event.introduced == "0" for event in found.events)
    turns = [event for event in found.events if not event.limit and event.introduced != "0"]
    # Of two at one version the one that is introduced counts.
    for at, begins, event in sorted((_turn(event, order) for event in turns), key=lambda turn: turn[:2]):
        if begins and version >= at:
            inside = True
        elif (event.fixed and version >= at) or (event.last_affected and version > at):
            inside = False
    return inside


def _turn(event: Event, order: Order) -> tuple[Any, bool, Event]:
    at = event.introduced or event.fixed or event.last_affected
    return order(at), bool(event.introduced), event
