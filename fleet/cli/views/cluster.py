"""The views of cluster checks, installations, syncs and labs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from fleet.app.inventory.clusters import ClusterCheck
from fleet.app.inventory.importing import ImportedContext
from fleet.app.inventory.sync import ClusterSync
from fleet.cli.terminal.columns import columns

if TYPE_CHECKING:
    from fleet.lab import LabStatus


def found(result: ClusterCheck) -> Text:
    """Returns what a look at a cluster found, and what to do next."""
    if result.hosts:
        return _hosts(result)
    lines = [
        Text(f"{result.name} ({', '.join(result.sites)}): Kubernetes {result.version}", "bold"),
        Text(
            f"  {result.nodes:,} nodes, {result.pods:,} pods, {result.budgets:,} budgets, "
            f"{result.machines:,} with an agent"
        ),
    ]
    lines += _pools(result)
    for rebooter in result.rebooters:
        lines.append(Text(f"  {rebooter.name} {rebooter.message}", "yellow"))
        lines.append(Text(f"  -> {rebooter.remedy}"))
    if result.missing:
        lines.append(Text(f"  missing {len(result.missing)} RBAC rules:", "yellow"))
        lines += [Text(f"    {rule}", "yellow") for rule in result.missing]
        lines.append(Text(f"  -> fleet cluster install {result.name} creates a role that has them"))
    elif result.machines < result.nodes:
        lines.append(Text(f"  -> fleet cluster install {result.name} runs an agent on each node"))
    else:
        lines.append(Text("  fleet has all permissions that it needs there.", "green"))
    return Text("\n").join(lines)


def imported(results: Sequence[ImportedContext]) -> Text:
    """Returns what became of each context, and the next step."""
    rows = [(result.name, ", ".join(result.sites), *_import(result)) for result in results]
    table = columns(("CLUSTER", "SITE", "NODES", "RESULT"), rows, right=(2,))
    if any(result.state == "added" for result in results):
        table.append("\n  -> fleet status")
    return table


def _import(result: ImportedContext) -> tuple[str, Text]:
    count = f"{result.check.nodes:,}" if result.check is not None else "-"
    match result.state:
        case "added":
            return count, Text("added", "green")
        case "would-add":
            return count, Text("would be added")
        case "in-fleet":
            return count, Text("in the fleet already", "dim")
        case "same-cluster":
            return count, Text(f"the same cluster by another context, {result.context}", "dim")
        case "failed":
            return count, Text(result.message, "red")


def _pools(result: ClusterCheck) -> list[Text]:
    lines = []
    if result.pools:
        pools = ", ".join(f"{name} {count:,}" for name, count in result.pools.items())
        lines.append(Text(f"  pools: {pools}"))
    if result.poolless:
        lines.append(Text(f"  {result.poolless:,} nodes are in no pool of the policy", "yellow"))
    return lines


def _hosts(result: ClusterCheck) -> Text:
    lines = [
        Text(f"{result.name} ({', '.join(result.sites)}): hosts without a cluster", "bold"),
        Text(f"  {result.nodes:,} hosts, {result.nodes - len(result.unreached):,} reached over ssh"),
        *_pools(result),
    ]
    lines += [Text(f"  {name}: {why}", "yellow") for name, why in result.unreached.items()]
    if result.unreached:
        lines.append(Text(f"  -> fix that, then: fleet cluster check {result.name}"))
    else:
        lines.append(Text("  fleet has all permissions that it needs there.", "green"))
    return Text("\n").join(lines)


def synced(results: Sequence[ClusterSync]) -> Text:
    """Returns a row for each cluster that was read."""
    rows = [
        (
            result.cluster,
            Text(f"not read: {result.error}", "red")
            if result.error
            else f"{result.nodes:,} nodes, {result.pods:,} pods, {result.budgets:,} budgets; {result.changes:,} changes",
        )
        for result in results
    ]
    return (
        columns((), rows)
        if rows
        else Text(
            "No clusters yet.\n  -> fleet cluster import adds those of your kubeconfig, fleet cluster add a single one"
        )
    )


def installed(done: Sequence[str]) -> Text:
    """Returns what was installed or removed, an object a line."""
    return Text("\n").join(Text(line) for line in done) if done else Text("Nothing had to be changed.")


def lab(status: LabStatus) -> Text:
    """Returns the state of a lab: its nodes, its programs with their logs, and its kubeconfig."""
    nodes = f"{status.nodes.ready} of {status.nodes.total} nodes Ready" if status.nodes else "does not answer"
    head = Text(f"Lab in {status.directory}: Kubernetes {status.kubernetes}, {nodes}", "bold")
    rows = [
        (
            f"  {program.name}",
            f"pid {program.pid}" if program.alive else Text("ended", "red"),
            str(program.log),
        )
        for program in status.programs
    ]
    return Text("\n").join([head, columns((), rows), Text(f"  kubeconfig {status.kubeconfig}")])
