"""Metrics of clusters and nodes. Everything is computed from the nodes that are there now: a node that is gone has no
sample any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import get_args

from fleet.core.metrics.family import MetricFamily, gauge
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release, is_release
from fleet.core.reporting.node_state import NodeState, StatusNode
from fleet.core.reporting.status import FleetStatus

PLACE = ("cluster", "site", "pool")
INFO = ("cluster", "node", "site", "zone", "pool", "os", "version", "kernel", "kubelet")


def of_nodes(status: FleetStatus, policy: Policy) -> Iterator[MetricFamily]:
    """Yields the families about clusters and nodes."""
    yield from _of_clusters(status)
    yield gauge(
        "fleet_node_info",
        "1 for each node, with what the node runs.",
        INFO,
        {
            (n.cluster, n.name, n.site, n.zone, n.pool, n.os, n.version, n.kernel, n.kubelet): 1.0
            for n in status.nodes
        },
    )
    yield gauge(
        "fleet_nodes",
        "Nodes by state: patched, outdated, running, held, failed, drifted, orphan, unknown.",
        (*PLACE, "state"),
        _by_state(status.nodes),
    )
    behind, exposed = _releases(status.nodes, policy, status.at)
    yield gauge(
        "fleet_behind_seconds",
        "Seconds since the oldest release that a node lacks was published; of the node that is furthest behind. "
        "No sample where the stream names no dates.",
        PLACE,
        behind,
    )
    yield gauge(
        "fleet_exposed_nodes",
        "Nodes that lack a release which fixes an advisory of this severity, by the pool's stream.",
        (*PLACE, "severity"),
        exposed,
    )


def _of_clusters(status: FleetStatus) -> Iterator[MetricFamily]:
    yield gauge(
        "fleet_cluster_reachable",
        "1 if the cluster answered the last time that it was asked, else 0.",
        ("cluster",),
        {(cluster.name,): float(cluster.reachable) for cluster in status.clusters},
    )
    yield gauge(
        "fleet_facts_last_refresh_timestamp_seconds",
        "When the facts about the cluster were last read.",
        ("cluster",),
        {
            (cluster.name,): cluster.last_seen.timestamp()
            for cluster in status.clusters
            if cluster.last_seen is not None
        },
    )


def _by_state(nodes: Sequence[StatusNode]) -> Mapping[tuple[str, ...], float]:
    """Returns a sample for each state in each place, 0 too: an alert sees a change from 0 to 1."""
    counts: dict[tuple[str, ...], float] = {
        (node.cluster, node.site, node.pool, state): 0.0 for node in nodes for state in get_args(NodeState)
    }
    counts.update(Counter((node.cluster, node.site, node.pool, node.state) for node in nodes))
    return counts


def _releases(
    nodes: Sequence[StatusNode], policy: Policy, now: datetime
) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """Returns the seconds behind by place, and the exposed nodes by place and severity."""
    lacking: dict[tuple[str, str, str], tuple[Release, ...] | None] = {}
    behind: dict[tuple[str, ...], float] = {}
    exposed: dict[tuple[str, ...], float] = {}
    for node in nodes:
        key = (node.pool, node.version, node.booted)
        if key not in lacking:
            lacking[key] = _newer(policy, node)
        newer = lacking[key]
        if newer is None:
            continue
        place = (node.cluster, node.site, node.pool)
        seconds = _seconds_behind(newer, now)
        if seconds is not None:
            behind[place] = max(behind.get(place, 0.0), seconds)
        for severity in {one.severity or "unknown" for release in newer for one in release.advisories or ()}:
            exposed[(*place, severity)] = exposed.get((*place, severity), 0.0) + 1.0
    return behind, exposed


def _newer(policy: Policy, node: StatusNode) -> tuple[Release, ...] | None:
    """Returns the releases of the pool's stream that are newer than the booted one; None if the node has no stream, or
    runs what is not in it."""
    pool = policy.pool(node.pool)
    stream = policy.stream(pool.stream) if pool is not None else None
    if stream is None:
        return None
    booted = Release(node.version, node.booted)
    place = next((i for i, one in enumerate(stream.releases) if is_release(booted, one)), None)
    return None if place is None else stream.releases[place + 1 :]


def _seconds_behind(newer: Sequence[Release], now: datetime) -> float | None:
    """0 without a newer release; None if none of the newer ones has a date."""
    dates = [release.released for release in newer if isinstance(release.released, datetime)]
    if not newer:
        return 0.0
    return max((now - min(dates)).total_seconds(), 0.0) if dates else None
