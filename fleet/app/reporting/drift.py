"""Compares nodes with their pools, and sources with each other. Only the database is read."""

from __future__ import annotations

from datetime import datetime

from fleet.app.reporting.status import clusters_of, fleet_status, groups_in, known_in, refuse_unknown
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.app.wiring.source_records import matching_of
from fleet.core.drift.compare import drift, part
from fleet.core.drift.drift_report import DriftReport, OrphanReport
from fleet.core.drift.known_elsewhere import RENAMED_FOR
from fleet.core.drift.orphans import orphans
from fleet.core.objects.known_node import KnownNode
from fleet.core.reporting.selection import Selection, select


def drift_of(home: Home, selection: Selection) -> DriftReport:
    """Returns the drift of the selected nodes. They are compared with all nodes of their pools. Raises UsageError for an
    unknown cluster, site or pool."""
    # Refuses a cluster that the fleet does not have.
    home.clusters(selection.clusters)
    # The whole fleet is read: the majority of a pool is that of all its clusters.
    status, policy = fleet_status(home, count_pods=False), home.policy_if_any()
    refuse_unknown(selection, status, policy)
    found = drift(status.nodes, policy, home.now())
    if selection == Selection():
        return found
    return part(found, select(status, selection).nodes)


def orphans_of(home: Home) -> OrphanReport:
    """Returns what one source knows and another does not, in the whole fleet."""
    rows = home.clusters()
    known = known_in(home, rows)
    clusters = clusters_of(home, rows, known, groups_in(home))
    rollouts = Rollouts.load(home.store).active
    since = {node.ref: at for node in known if (at := _not_ready_since(home, node)) is not None}
    now = home.now()
    names = {row.name for row in rows}
    departed = [gone for gone in home.store.inventory.departed(now - RENAMED_FOR) if gone[0].cluster in names]
    matching = matching_of(home, rows, known)
    return orphans(known, clusters, home.policy_if_any(), rollouts, since, now, matching, departed)


def _not_ready_since(home: Home, known: KnownNode) -> datetime | None:
    """Returns when the last time began in which the node was not Ready without a break; None for a node that is Ready,
    or if it was never seen Ready."""
    if known.node is None or known.node.ready is True:
        return None
    since: datetime | None = None
    for past in reversed(home.store.inventory.history(*known.ref)):
        if past.node is not None and past.node.ready is True:
            return since
        since = past.begin
    return None
