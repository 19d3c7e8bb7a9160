"""Finds what a report of a span cannot vouch for: clusters, boots and nodes that fleet did not see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from fleet.app.wiring.home import Home
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import NodeRef
from fleet.core.reporting.period.history import NodeHistory
from fleet.core.reporting.period.period_report import UnreachedCluster, UnreportedNode, UnseenParts
from fleet.core.reporting.period.period_reporter import foreign_boots
from fleet.core.reporting.period.span import ReportSpan
from fleet.core.reporting.report import Report


def unseen(
    home: Home,
    span: ReportSpan,
    pools: Sequence[str],
    reports: Sequence[Report],
    nodes: Mapping[NodeRef, NodeHistory],
    known: Sequence[KnownNode],
    now: datetime,
) -> UnseenParts:
    """Returns the gaps. `nodes`: the histories of journal and inventory; `known`: the nodes of the inventory. `pools`:
    empty for the whole fleet."""
    boots = (
        (NodeRef(cluster, node), boot_id, first)
        for cluster, node, boot_id, first in home.store.inventory.boots()
        if not pools or ((found := nodes.get(NodeRef(cluster, node))) is not None and found.pool in pools)
    )
    first = next(home.store.journal.entries(limit=1), None)
    return UnseenParts(
        clusters=tuple(_clusters(home, span)),
        boots=foreign_boots(boots, reports, span, now),
        nodes=tuple(each for each in _nodes(nodes, known) if not pools or each.pool in pools),
        history_since=first.at if first is not None else None,
    )


def _clusters(home: Home, span: ReportSpan) -> Iterator[UnreachedCluster]:
    for row in home.clusters():
        if row.last_error:
            yield UnreachedCluster(row.name, row.error_since, row.last_seen, row.last_error)
        elif row.last_seen is None:
            yield UnreachedCluster(row.name, None, None, "it was never read")
        elif row.last_seen < span.begin:
            yield UnreachedCluster(row.name, None, row.last_seen, "it was not read within the span")


def _nodes(nodes: Mapping[NodeRef, NodeHistory], known: Sequence[KnownNode]) -> Iterator[UnreportedNode]:
    here = {each.ref for each in known}
    for each in known:
        found = nodes.get(each.ref)
        pool = found.pool if found is not None else ""
        if each.node is None:
            yield UnreportedNode(each.cluster, each.name, pool, "no-node")
        elif not pool:
            yield UnreportedNode(each.cluster, each.name, pool, "no-pool")
        elif each.machine is None or each.machine.booted is None:
            yield UnreportedNode(each.cluster, each.name, pool, "no-agent")
        elif found is not None and not found.asked:
            yield UnreportedNode(each.cluster, each.name, pool, "no-rollout")
    for ref, found in nodes.items():
        if ref not in here:
            yield UnreportedNode(ref.cluster, ref.name, found.pool, "gone")
