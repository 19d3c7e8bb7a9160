"""The views of imported sources. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.cli.terminal.time_format import ago
from fleet.core.sources.source_list import ImportedSource, ListedSource, RemovedSource, SourceList
from fleet.core.text.counts import counted

CAUTIONS = 5
FORGOTTEN = 10
"""The most forgotten machines that are named."""


def imported(found: ImportedSource) -> Text:
    """Returns what was imported, and how much of it the clusters have."""
    return Text("\n").join(_imported(found))


def _imported(found: ImportedSource) -> Iterator[Text]:
    source = found.source
    if found.dry_run:
        yield Text(
            f"{source.name}: {counted(source.machines, 'machine')} in {source.file}; nothing was stored"
        )
    else:
        changes = {"new": found.added, "changed": found.changed, "gone": found.gone, "as before": found.same}
        parts = ", ".join(f"{count:,} {word}" for word, count in changes.items() if count)
        yield Text(f"{source.name}: {counted(source.machines, 'machine')} from {source.file} ({parts})")
    yield Text(f"  {source.nodes:,} in the fleet")
    if source.alone:
        yield Text(f"  {source.alone:,} in no cluster (fleet orphans)", "yellow")
    if source.ambiguous:
        yield Text(f"  {source.ambiguous:,} that may be one of several nodes (fleet orphans)", "yellow")
    for caution in found.cautions[:CAUTIONS]:
        yield Text(f"  left out: {caution}", "yellow")
    if len(found.cautions) > CAUTIONS:
        yield Text(f"  left out: {len(found.cautions) - CAUTIONS:,} more files", "yellow")


def removed(found: RemovedSource) -> Text:
    """Returns what was removed, and which machines nothing else has."""
    lines = [f"Removed {found.name} with {counted(found.machines, 'machine')}."]
    if found.forgotten:
        names = ", ".join(found.forgotten[:FORGOTTEN])
        more = len(found.forgotten) - FORGOTTEN
        rest = f" and {more:,} more" if more > 0 else ""
        lines.append(f"  only the history knows now: {names}{rest}")
    return Text("\n".join(lines))


def listed(found: SourceList, now: datetime) -> Text:
    """Returns a row for each source."""
    if not found.sources:
        return Text(
            "No source was imported.\n  -> fleet inventory import FILE brings in a CSV or facts of Ansible"
        )
    head = ("SOURCE", "KIND", "FILE", "MACHINES", "IN FLEET", "ALONE", "AMBIGUOUS", "IMPORTED", "OLDEST")
    rows = [_row(source, now) for source in found.sources]
    return columns(head, rows, right=(3, 4, 5, 6))


def _row(source: ListedSource, now: datetime) -> tuple[str, ...]:
    counts = (source.machines, source.nodes, source.alone, source.ambiguous)
    oldest = ago(source.oldest, now) if source.oldest is not None else "-"
    return (
        source.name,
        source.kind,
        source.file,
        *(f"{count:,}" for count in counts),
        f"{ago(source.imported_at, now)} ago",
        oldest,
    )
