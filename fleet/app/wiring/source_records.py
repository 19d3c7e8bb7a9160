"""Finds which nodes the machines of imported sources are. Only the database is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.registry import source_of
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import ARCHITECTURE_LABEL, Node, NodeRef
from fleet.core.records.errors import UsageError
from fleet.core.sources.matching import NO_SOURCES, SourceMatching, match
from fleet.core.sources.record import MachineRecord, SourcedRecord

if TYPE_CHECKING:
    from fleet.store import ClusterRow

EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def matching_of(
    home: Home,
    rows: Sequence[ClusterRow],
    known: Sequence[KnownNode],
    records: Sequence[SourcedRecord] | None = None,
) -> SourceMatching:
    """Returns which nodes the machines of all sources are, or these records. `known`: all nodes of the clusters."""
    found = home.store.sources.records() if records is None else records
    return match(list(_groups(home, rows, known)), found) if found else NO_SOURCES


def only_in_sources(
    home: Home, rows: Sequence[ClusterRow], known: Sequence[KnownNode], at: datetime | None = None
) -> dict[str, int]:
    """Returns how many machines each source has, or had at a past moment, that no cluster has; without sources that have
    none."""
    counts: dict[str, int] = {}
    for records in matching_of(home, rows, known, home.store.sources.records(at)).alone:
        for source in sorted({record.source for record in records}):
            counts[source] = counts.get(source, 0) + 1
    return counts


def records_of(
    home: Home, rows: Sequence[ClusterRow], known: Sequence[KnownNode], ref: NodeRef
) -> tuple[SourcedRecord, ...]:
    """Returns what other sources have of the machine of a node: imported ones, and the fleet's own hosts where the node
    is in Kubernetes, or the other way round."""
    hosts, nodes = _groups(home, rows, known)
    own, others = (hosts, nodes) if ref in hosts else (nodes, hosts)
    seen = {row.name: row.last_seen for row in rows}
    way = "kubelet" if ref in hosts else "ssh"
    elsewhere = [
        SourcedRecord(f"{way} ({other.cluster})", seen[other.cluster] or EVER, _record(other, node))
        for other, node in others.items()
    ]
    imported = matching_of(home, rows, known).of_node.get(ref, ())
    return (*match([own], elsewhere).of_node.get(ref, ()), *imported)


def machine_alone(
    home: Home, rows: Sequence[ClusterRow], known: Sequence[KnownNode], name: str
) -> tuple[SourcedRecord, ...]:
    """Returns what sources have of the machine of that name, which no cluster has; empty where they do not know it.
    Raises UsageError where the machine may be a node of another name."""
    matching = matching_of(home, rows, known)
    for record, refs in matching.ambiguous:
        if name.casefold() == record.shown.casefold():
            raise UsageError(
                f"{record.source} has {record.shown}, which may be {' or '.join(map(str, refs))}",
                "fleet node show with the name of a node; fleet orphans shows what is ambiguous",
            )
    found = [
        records
        for records in matching.alone
        if name.casefold() in {record.shown.casefold() for record in records}
    ]
    return found[0] if len(found) == 1 else ()


def _groups(
    home: Home, rows: Sequence[ClusterRow], known: Sequence[KnownNode]
) -> tuple[Mapping[NodeRef, Node], Mapping[NodeRef, Node]]:
    """Returns the hosts without a cluster, and the nodes of clusters."""
    alone = {row.name for row in rows if source_of(home, row).hosts_alone}
    nodes = {one.ref: one.node for one in known if one.node is not None}
    return (
        {ref: node for ref, node in nodes.items() if ref.cluster in alone},
        {ref: node for ref, node in nodes.items() if ref.cluster not in alone},
    )


def _record(ref: NodeRef, node: Node) -> MachineRecord:
    """Returns a node as another source has it."""
    facts = {"os": node.os_image, "kernel": node.kernel, "zone": node.zone}
    facts["architecture"] = node.labels.get(ARCHITECTURE_LABEL, "")
    return MachineRecord(
        ref.name,
        node.addresses,
        node.machine_id,
        node.system_uuid,
        node.provider_id,
        {fact: value for fact, value in facts.items() if value},
    )
