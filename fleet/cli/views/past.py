"""The views of past moments: the heading of a status, and what differs between two moments. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.core.reporting.past.differences import DiffCluster, FleetDiff, NodeDifference
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_age

OLD = timedelta(minutes=15)
"""What had been seen longer before the moment is marked with its age."""
NAMED = 3
"""Nodes of a difference that are named."""
WORDS: Mapping[str, str] = {
    "added": "new",
    "gone": "gone",
    "replaced": "another machine under the same name",
}


def heading(at: datetime) -> str:
    """Returns the line above what was so at a past moment."""
    return f"As it was known at {at:%Y-%m-%d %H:%M} UTC:"


def differences(found: FleetDiff) -> Text:
    """Returns a row for each kind of difference, with how many nodes have it, and which clusters were known badly."""
    lines = [
        Text(
            f"From {_time(found.begin)} ({counted(found.nodes_before, 'node')}) to {_time(found.end)} "
            f"({counted(found.nodes_after, 'node')}):",
            "bold",
        )
    ]
    rows = list(_rows(found.differences))
    if rows:
        lines.append(columns(("NODES", "POOL", "WHAT"), rows, right=(0,)))
    else:
        lines.append(Text("Nothing differs."))
    lines += [Text(line, "yellow") for line in _doubts(found)]
    return Text("\n").join(lines)


def _rows(found: tuple[NodeDifference, ...]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for node in found:
        if node.kind != "changed":
            groups.setdefault((node.pool, WORDS[node.kind], "", ""), []).append(node.node)
        for each in node.fields:
            groups.setdefault((node.pool, each.field, each.before, each.after), []).append(node.node)
    for (pool, what, before, after), nodes in sorted(
        groups.items(), key=lambda item: (item[0][0], -len(item[1]))
    ):
        more = f", {len(nodes) - NAMED:,} more" if len(nodes) > NAMED else ""
        which = f"{', '.join(nodes[:NAMED])}{more}"
        values = "" if what in WORDS.values() else f" {_short(before)} -> {_short(after)}"
        yield f"{len(nodes):,}", pool or "-", f"{what}{values} ({which})"


def _short(value: str) -> str:
    """Returns a value for a column: of a digest the begin alone."""
    algorithm, colon, rest = value.partition(":")
    return f"{algorithm}:{rest[:12]}" if colon and algorithm == "sha256" else value or "-"


def _doubts(found: FleetDiff) -> Iterator[str]:
    """Yields which clusters had been seen long before one of the moments, or never."""
    groups: dict[str, list[str]] = {}
    for cluster in found.clusters:
        for doubt in _of_cluster(cluster, found):
            groups.setdefault(doubt, []).append(cluster.name)
    for doubt, names in groups.items():
        more = f", {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"{doubt}: {', '.join(names[:NAMED])}{more}"


def _of_cluster(cluster: DiffCluster, found: FleetDiff) -> Iterator[str]:
    for at, seen, error in (
        (found.begin, cluster.seen_before, cluster.error_before),
        (found.end, cluster.seen_after, cluster.error_after),
    ):
        if seen is None:
            yield f"Not seen by {_time(at)}, so not compared"
        elif error or at - seen > OLD:
            why = f" ({error})" if error else ""
            yield f"Seen {format_age(at - seen)} before {_time(at)}{why}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
