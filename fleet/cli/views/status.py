"""The view of the fleet's status. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import UNSET
from msgspec.structs import asdict, fields
from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns, unrepeated
from fleet.cli.terminal.time_format import ago, clock
from fleet.cli.views.policies.standing import why_waiting
from fleet.cli.views.rollout_page.standstill import standing_still
from fleet.core.notifications.overview import UndeliveredMessages
from fleet.core.objects.machine import EtcChanges
from fleet.core.reporting.node_state import WIDE, StatusNode
from fleet.core.reporting.selection import ATTENTION
from fleet.core.reporting.status import FleetStatus, StatusCluster, StatusPool, StatusQuorum
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_duration

STYLES: Mapping[str, str] = {
    "patched": "green",
    "running": "cyan",
    "held": "yellow",
    "failed": "bold red",
    "drifted": "magenta",
    "orphan": "magenta",
    "unknown": "dim",
}
OLD = timedelta(minutes=15)
"""Observations older than this are marked as old."""
KERNELS = 4
UNITS = 3

NO_CLUSTERS = "No clusters yet.\n  -> fleet cluster import adds those of your kubeconfig, fleet cluster add a single one"


def glance(
    status: FleetStatus, past: bool = False, failed_units: Sequence[tuple[str, ...]] | None = None
) -> Text:
    """Returns a row for each pool in each cluster, and below what an operator should know of first. `past`: the status
    is that of a past moment, which no sync makes newer. `failed_units`: those of each node that has any; None: the
    status has the nodes, with theirs."""
    if failed_units is None:
        failed_units = [node.failed_units for node in status.nodes if node.failed_units]
    if not status.clusters:
        return Text("\n").join([Text(NO_CLUSTERS), *_known(status)])
    head = ("SITE", "CLUSTER", "POOL", "NODES", "PATCHED", "TARGET", "ROLLOUT", "ETA")
    table = columns(head, list(_rows(status)), right=(3, 4))
    return Text("\n").join([table, *_below(status, past, failed_units)])


def _rows(status: FleetStatus) -> Iterator[tuple[Cell, ...]]:
    clusters = {cluster.name: cluster for cluster in status.clusters}
    above = ("", "")
    for row in status.summary.pools:
        place = (row.site, row.cluster)
        places, above = unrepeated(place, above), place
        cluster = clusters.get(row.cluster)
        if cluster is not None and not cluster.reachable:
            yield (*places, "-", str(row.nodes) if row.nodes else "?", "?", _unreachable(cluster, status.at))
        elif not row.nodes:
            yield (*places, "-", "0", "-", Text(row.note, "dim"))
        else:
            yield (*places, *_pool(row))


def _pool(row: StatusPool) -> tuple[Cell, ...]:
    percent = row.patched * 100 // row.nodes
    whole = row.patched == row.nodes
    rollout = Text(f"{row.rollout} {row.rollout_state}" if row.rollout else "-")
    if row.rollout_state in ("halted", "paused"):
        rollout.stylize("yellow")
    return (
        row.pool or Text("none", "dim"),
        f"{row.nodes:,}",
        Text(f"{row.patched:,} {percent:3}%" if row.target else "-", "green" if whole else ""),
        row.target or "-",
        rollout,
        row.note or (format_duration(row.eta_seconds) if row.eta_seconds is not None else ""),
    )


def _unreachable(cluster: StatusCluster, now: datetime, *, whole: bool = False) -> Text:
    if cluster.last_seen is None:
        return Text(f"unreachable: {cluster.error or 'never seen'}", "red")
    text = f"unreachable {ago(cluster.last_seen, now)}: {cluster.error or 'no answer'}"
    return Text(f"{text} (last seen {clock(cluster.last_seen, now)})" if whole else text, "red")


def _known(status: FleetStatus) -> Iterator[Text]:
    if status.only_in_sources:
        parts = [f"{count:,} in {source}" for source, count in status.only_in_sources.items()]
        yield Text(f"Known:  machines that no cluster has: {', '.join(parts)} (fleet orphans)", "yellow")


def _below(status: FleetStatus, past: bool, failing: Sequence[tuple[str, ...]]) -> Iterator[Text]:
    if status.summary.kernels:
        kernels = list(status.summary.kernels.items())
        parts = [f"{count:,} on {kernel}" for kernel, count in kernels[:KERNELS]]
        others = sum(count for _, count in kernels[KERNELS:])
        yield Text("Kernel: " + ", ".join(parts) + (f", {others:,} on others" if others else ""))
    if failing:
        units = Counter(unit for failed in failing for unit in failed).most_common()
        parts = [f"{unit} on {count:,}" for unit, count in units[:UNITS]]
        more = f", {len(units) - UNITS} others" if len(units) > UNITS else ""
        nodes = counted(len(failing), "node")
        yield Text(f"Units:  failed on {nodes}: {', '.join(parts)}{more} (fleet status -o json)", "yellow")
    seen = [
        cluster.last_seen
        for cluster in status.clusters
        if cluster.reachable and cluster.last_seen is not None
    ]
    if seen and status.at - min(seen) > OLD:
        age = ago(min(seen), status.at)
        yield Text(f"Seen:   {age} before" if past else f"Seen:   {age} ago (fleet sync)", "yellow")
    for group in status.quorums:
        yield _quorum(group)
    for cluster in status.clusters:
        for apart in cluster.skew:
            yield Text(f"Skew:   {cluster.name}: {apart} (fleet lint)", "yellow")
    yield from _known(status)
    if status.standstill is not None:
        yield standing_still(status.standstill, "Control: ")
    for pool in status.policies or ():
        yield Text(
            f"Policy: pool {pool.pool} {pool.state}: {why_waiting(pool)} (fleet policy status)", "yellow"
        )
    yield from map(_undelivered, status.undelivered or ())
    attention = needs(status)
    if attention:
        yield Text(f"Attention: {', '.join(attention)} (fleet status --attention)", "yellow")


def _undelivered(found: UndeliveredMessages) -> Text:
    parts = [
        *([f"{counted(found.waiting, 'message')} not accepted so far"] if found.waiting else []),
        *([f"{found.lost} lost"] if found.lost else []),
    ]
    why = f": {found.error}" if found.error else ""
    return Text(f"Notify: {found.receiver}, {', '.join(parts)}{why} (fleet notify list)", "yellow")


def _quorum(group: StatusQuorum) -> Text:
    """Returns the group's voters, and which of them are unhealthy; a group that is known only by its pods has no
    known leader."""
    text = f"Quorum: {group.name}, {group.healthy} of {group.voters} voters healthy, {group.needed} needed"
    if group.leader:
        on = f" ({group.leader_node})" if group.leader_node not in ("", group.leader) else ""
        text += f", {group.leader}{on} leads"
    if group.declared:
        text += ", by its pods alone"
    elif group.unread:
        text += f"; not read: {group.unread}"
    if group.ailing and not group.unread:
        text += f"; {'; '.join(group.ailing)}"
    lost = group.healthy < group.needed
    return Text(text, "bold red" if lost else "yellow" if group.healthy < group.voters else "")


def needs(status: FleetStatus) -> list[str]:
    """Returns what needs an operator: `2 nodes failed`, `1 cluster unreachable`."""
    found: list[str] = []
    for state in ATTENTION:
        if count := status.summary.states.get(state, 0):
            noun = f" node{'s' if count > 1 else ''}" if not found else ""
            found.append(f"{count:,}{noun} {state}")
    away = sum(not cluster.reachable for cluster in status.clusters)
    if away:
        found.append(f"{counted(away, 'cluster')} unreachable")
    return found


def wide(status: FleetStatus) -> Text:
    """Returns a row for each node. Numbers are aligned right."""
    types = {field.name: field.type for field in fields(StatusNode)}
    rows = [[_shown(node, name, status.at) for _, name in WIDE] for node in status.nodes]
    right = [index for index, (_, name) in enumerate(WIDE) if types[name] is int]
    return columns([head for head, _ in WIDE], rows, right)


def _shown(node: StatusNode, name: str, now: datetime) -> Cell:
    """Returns the cell of one field, by the type of its value: a time as its age, names in one line, nothing as a
    dash."""
    value = getattr(node, name)
    match value:
        case _ if name == "state":
            return _state(node)
        case _ if name == "last_seen":
            return ago(value, now)
        case bool():
            return "yes" if value else "no"
        case datetime():
            return ago(value, now)
        case tuple():
            return Text("; ".join(value))
        case None | "":
            return "-"
        case _:
            return str(value)


def outdated(status: FleetStatus) -> Text:
    """Returns the nodes that do not run what their pool wants."""
    head = ("NODE", "CLUSTER", "POOL", "STATE", "SINCE", "VERSION", "TARGET")
    rows = [
        (
            *(node.name, node.cluster, node.pool or "-", _state(node), _since(node, status.at)),
            *(node.version or "-", node.target or "-"),
        )
        for node in status.nodes
    ]
    return columns(head, rows) if rows else Text("Every node runs what its pool wants.")


def attention(status: FleetStatus) -> Text:
    """Returns what needs an operator, and why."""
    lines: list[Text] = [] if status.standstill is None else [standing_still(status.standstill, "Control: ")]
    away = [cluster for cluster in status.clusters if not cluster.reachable]
    if away:
        lines.append(
            columns((), [(cluster.name, _unreachable(cluster, status.at, whole=True)) for cluster in away])
        )
        lines.append(Text(f"  -> fleet cluster check {away[0].name}"))
    if status.nodes:
        head = ("NODE", "CLUSTER", "POOL", "STATE", "SINCE", "WHY")
        rows = [
            (node.name, node.cluster, node.pool or "-", _state(node), _since(node, status.at), _why(node))
            for node in status.nodes
        ]
        lines.append(columns(head, rows))
        lines.append(Text(f"  -> fleet explain {status.nodes[0].name} shows what to do"))
    return Text("\n").join(lines) if lines else Text("Nothing needs an operator.")


def _why(node: StatusNode) -> str:
    # What a rollout waits for on such a node is not why it needs an operator.
    if node.state == "drifted":
        return f"{node.version} is not a release of its stream"
    if node.state == "orphan":
        return "its machine is known, its node is not in the cluster"
    return node.held[0] if node.held else ""


def _state(node: StatusNode) -> Text:
    return Text(node.state, STYLES.get(node.state, ""))


def _since(node: StatusNode, now: datetime) -> str:
    return ago(node.since, now) if node.since is not None else "-"


def cells(status: FleetStatus) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    """Returns head and rows for CSV: the nodes, in the fields of the published JSON."""
    head = [field.name for field in fields(StatusNode)]
    return head, ([_cell(value) for value in asdict(node).values()] for node in status.nodes)


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return "; ".join(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, EtcChanges):
        return "; ".join([*value.changed, *([f"and {value.more:,} more"] if value.more else [])])
    return "" if value is None or value is UNSET else str(value).lower() if isinstance(value, bool) else value


def cluster_list(clusters: Sequence[StatusCluster], now: datetime) -> Text:
    """Returns a row for each cluster, with when it was seen last."""
    if not clusters:
        return Text(NO_CLUSTERS)
    head = ("CLUSTER", "SITE", "VERSION", "NODES", "SEEN", "STATE")
    rows = [
        (
            *(cluster.name, ", ".join(cluster.sites) or "-", cluster.version or "-", f"{cluster.nodes:,}"),
            ago(cluster.last_seen, now),
            Text("reachable" if cluster.reachable else f"unreachable: {cluster.error or 'no answer'}")
            + Text(", simulated" if cluster.simulated else ""),
        )
        for cluster in clusters
    ]
    return columns(head, rows, right=(3,))
