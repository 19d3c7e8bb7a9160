"""The views of drift and of orphans. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from rich.text import Text

from fleet.cli.terminal.time_format import ago
from fleet.core.drift.drift_report import DriftFinding, DriftReport, OrphanFinding, OrphanReport
from fleet.core.text.counts import counted

NODES_SHOWN = 5
ORPHANS_SHOWN = 10
"""Findings of one kind that the view of orphans shows."""
CELLS = ("cluster", "site", "pool", "node", "kind", "expected", "found", "basis", "message", "remedy")


def drift(report: DriftReport) -> Text:
    """Returns the findings by pool; nodes that differ in the same way share one."""
    return Text("\n").join(_drift(report))


def _drift(report: DriftReport) -> Iterator[Text]:
    for pool, found in groupby(report.findings, key=lambda one: one.pool):
        yield Text(f"pool {pool}" if pool else "in no pool", "bold")
        groups: dict[tuple[str, str, str], list[DriftFinding]] = {}
        for one in found:
            # The remedy may name the node; nodes with one message share the remedy of the first.
            groups.setdefault((one.kind, one.message, one.basis), []).append(one)
        for (kind, message, basis), members in groups.items():
            yield (
                Text("  ")
                .append(_names(members), "yellow")
                .append(f": {message} ")
                .append(f"({kind})", "dim")
            )
            yield Text(f"    as expected on {basis}" if basis[:1].isdigit() else f"    by {basis}", "dim")
            yield Text(f"    -> {members[0].remedy}")
    for split in report.undecided:
        parts = "; ".join(
            f"{counted(count, 'node')}: {value or 'none'}" for value, count in split.variants[:3]
        )
        more = f"; and {counted(len(split.variants) - 3, 'other variant')}" if len(split.variants) > 3 else ""
        yield Text(
            f"undecided: {split.kind} differs in pool {split.pool or 'none'} without a majority: {parts}{more}"
        )
    drifting = len({(one.cluster, one.node) for one in report.findings})
    summary = (
        f"{drifting:,} of {counted(report.nodes, 'node')} drift"
        if drifting
        else (f"No node of {report.nodes:,} drifts")
    )
    if not report.nodes:
        summary = "No node is known that could be compared (fleet status)"
    if report.not_reported:
        summary += f"; no agent reports {counted(report.not_reported, 'node')}: of these only kernel and kubelet are known"
    if report.etc_unknown:
        summary += f"; what was changed in /etc is unknown of {counted(report.etc_unknown, 'node')}"
    yield Text(f"{summary}.")


def _names(members: Sequence[DriftFinding]) -> str:
    names = [f"{one.cluster}/{one.node}" for one in members[:NODES_SHOWN]]
    rest = len(members) - len(names)
    return ", ".join(names) + (f" and {rest:,} more" if rest else "")


def cells(report: DriftReport) -> tuple[Sequence[str], Iterator[Sequence[object]]]:
    """Returns the head and the rows of a table with a row for each finding."""
    return CELLS, ([getattr(one, name) for name in CELLS] for one in report.findings)


def orphans(report: OrphanReport) -> Text:
    """Returns the first findings of each kind with their remedies, and how many there are."""
    if not report.findings:
        return Text("Every source agrees: there is no orphan.")
    text = Text()
    for kind, found in groupby(report.findings, key=lambda one: one.kind):
        members = list(found)
        for one in members[:ORPHANS_SHOWN]:
            text.append_text(_orphan(one, report.at))
        if (rest := len(members) - ORPHANS_SHOWN) > 0:
            text.append(f"and {rest:,} more ").append(f"({kind}): ", "dim").append("fleet orphans -o json\n")
    kinds = Counter(one.kind for one in report.findings)
    parts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    return text.append(f"{counted(len(report.findings), 'finding')}: {parts}.")


def _orphan(one: OrphanFinding, at: datetime) -> Text:
    where = one.name if one.kind == "unseen-cluster" or not one.cluster else f"{one.cluster}/{one.name}"
    age = f", for {ago(one.since, at)}" if one.since is not None else ""
    text = Text().append(where, "yellow").append(f": {one.message}{age} ").append(f"({one.kind})\n", "dim")
    return text.append(f"  -> {one.remedy}\n")
