"""Selects the part of the fleet that a user asks for."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.reporting.node_state import NodeState, StatusNode
from fleet.core.reporting.overview import UNREACHABLE, summary
from fleet.core.reporting.status import FleetStatus, StatusPool

ATTENTION: tuple[NodeState, ...] = ("failed", "held", "drifted", "orphan")
"""The states in which a node waits for an operator."""


class Selection(Struct, frozen=True):
    """Says which part of the fleet a user asks for; an empty one asks for all of the fleet."""

    clusters: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    outdated: bool = False
    """Selects nodes that do not run what their pool wants, whatever the reason."""
    attention: bool = False

    @property
    def by_state(self) -> bool:
        return self.outdated or self.attention


EVERYTHING = Selection()


def select(status: FleetStatus, selection: Selection) -> FleetStatus:
    """Returns the status of the selected part of the fleet. Rows of pools still count whole pools: no state narrows
    them."""
    if selection == EVERYTHING:
        return status
    clusters = [
        cluster
        for cluster in status.clusters
        if _matches(selection.clusters, cluster.name)
        and (not selection.sites or any(site in selection.sites for site in cluster.sites))
    ]
    names = {cluster.name for cluster in clusters}
    nodes = tuple(node for node in status.nodes if is_selected(node, selection))
    return replace(
        status,
        clusters=tuple(clusters),
        nodes=nodes,
        summary=summary(nodes, rows_of(status, selection)),
        quorums=tuple(
            group
            for group in status.quorums
            if group.cluster in names
            and (not selection.sites or any(member.site in selection.sites for member in group.members))
        ),
    )


def rows_of(status: FleetStatus, selection: Selection) -> list[StatusPool]:
    """Returns the rows of pools that match the names of the selection. The row of an unreachable cluster stands for all
    of its pools. Returns no rows if no node matches all of the given names."""
    return [
        row
        for row in status.summary.pools
        if _matches(selection.clusters, row.cluster)
        and (not selection.sites or any(site in selection.sites for site in row.site.split(", ")))
        and (_matches(selection.pools, row.pool) or row.note == UNREACHABLE)
    ]


def is_selected(node: StatusNode, selection: Selection) -> bool:
    """Returns whether the selection has the node."""
    return (
        _matches(selection.clusters, node.cluster)
        and _matches(selection.sites, node.site)
        and _matches(selection.pools, node.pool)
        and (not selection.outdated or (node.state not in ("patched", "unknown", "orphan")))
        and (not selection.attention or node.state in ATTENTION)
    )


def _matches(names: Sequence[str], name: str) -> bool:
    return not names or name in names
