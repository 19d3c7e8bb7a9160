"""The sources outside of the clusters, with what became of their records. The structs are the published JSON
(`docs/schemas/sources.json`, `docs/schemas/imported-source.json`)."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.sources.matching import SourceMatching
from fleet.core.sources.record import SourceKind


class ListedSource(Struct, frozen=True):
    """A source, as it was imported last."""

    name: str
    kind: SourceKind
    file: str
    """The name of the file or folder that was imported."""
    imported_at: datetime
    imported_by: str
    machines: int = 0
    nodes: int = 0
    """How many of the machines are nodes or hosts of the fleet."""
    alone: int = 0
    """How many no cluster has."""
    ambiguous: int = 0
    """How many may stand for several nodes."""
    oldest: datetime | None = None
    """When the source had the oldest of its records so, by its own account. None: it has no machine."""


class SourceList(Struct, frozen=True):
    """All sources, by name."""

    sources: tuple[ListedSource, ...]


class ImportedSource(Struct, frozen=True):
    """The result of one import, in machines."""

    source: ListedSource
    added: int
    changed: int
    gone: int
    """Machines that the source does not have any more."""
    same: int
    cautions: tuple[str, ...] = ()
    """What was left out, and why."""
    dry_run: bool = False
    """True: nothing was stored."""


class RemovedSource(Struct, frozen=True):
    """The result of removing one source."""

    name: str
    machines: int
    """How many machines the source had."""
    forgotten: tuple[str, ...]
    """The names of those that neither a cluster nor another source has: now only the history knows them."""


def forgotten_with(source: str, matching: SourceMatching) -> tuple[str, ...]:
    """Returns the machines that nothing but this source has, by the names that it has for them."""
    return tuple(
        members[0].shown for members in matching.alone if all(record.source == source for record in members)
    )


def counted_in(source: str, matching: SourceMatching) -> tuple[int, int, int]:
    """Returns how many machines of the source are nodes, are alone, and are ambiguous."""
    return (
        sum(record.source == source for members in matching.of_node.values() for record in members),
        sum(any(record.source == source for record in members) for members in matching.alone),
        sum(record.source == source for record, _ in matching.ambiguous),
    )
