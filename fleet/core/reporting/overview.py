"""Makes the status of the fleet from what is known about the fleet. Pure: the same facts and time give the same
status."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.node_state import (
    ReleaseNames,
    RolloutPart,
    StatusNode,
    describe,
    parts_of,
)
from fleet.core.reporting.status import FleetStatus, StatusCluster, StatusPool, Summary
from fleet.core.rollout.rollout import Rollout

UNREACHABLE = "unreachable"

DIGITS = re.compile(r"(\d+)")


def overview(
    now: datetime,
    clusters: Sequence[StatusCluster],
    known_nodes: Iterable[KnownNode],
    policy: Policy,
    rollouts: Iterable[Rollout] = (),
    held: Mapping[NodeRef, tuple[Held, ...]] | None = None,
    eta: Mapping[str, int | None] | None = None,
    held_since: Mapping[NodeRef, datetime] = {},
    pods: Mapping[NodeRef, int] | None = None,
) -> FleetStatus:
    """Returns the status of the fleet at `now`.

    `rollouts`: in the order of their starts. `held`: what each node waits for. `eta`: seconds until the end of each
    rollout, by id. `held_since`: since when each node has been held. `pods`: how many pods are bound to each node that
    has any; None: not known.
    """
    reachable = {cluster.name for cluster in clusters if cluster.reachable}
    last_seen = {cluster.name: cluster.last_seen for cluster in clusters}
    parts = parts_of(rollouts, held or {}, held_since)
    names = ReleaseNames(policy)
    described = [
        _described(known, names, parts, known.cluster in reachable, last_seen.get(known.cluster), pods)
        for known in known_nodes
    ]
    described.sort(key=_place)
    nodes = tuple([node for node, _ in described])
    pools = (*_pools(described, reachable, eta or {}), *_rows_without_nodes(clusters))
    ordered = sorted(pools, key=lambda row: (row.site, row.cluster, row.pool))
    return FleetStatus(now, tuple(clusters), nodes, summary(nodes, ordered))


Described = tuple[StatusNode, RolloutPart | None]
"""The row of a node, and its part in a rollout."""


def _described(
    known: KnownNode,
    names: ReleaseNames,
    parts: Mapping[NodeRef, RolloutPart],
    reachable: bool,
    last_seen: datetime | None,
    pods: Mapping[NodeRef, int] | None,
) -> Described:
    ref = known.ref
    part = parts.get(ref)
    count = None if pods is None else pods.get(ref, 0)
    return describe(known, names, part, reachable, last_seen, count), part


def _place(described: Described) -> tuple[str, str, str, list[str | int]]:
    node = described[0]
    return node.site, node.cluster, node.pool, natural(node.name)


def _pools(
    described: Iterable[Described],
    reachable: set[str],
    eta: Mapping[str, int | None],
) -> Iterable[StatusPool]:
    """Yields one row for each pool in each reachable cluster."""
    groups: dict[tuple[str, str, str], list[Described]] = {}
    for each in described:
        node = each[0]
        if node.cluster in reachable and node.state != "orphan":
            groups.setdefault((node.site, node.cluster, node.pool), []).append(each)
    for (site, cluster, pool), members in groups.items():
        targets = Counter([node.target for node, _ in members if node.target])
        own = [part for _, part in members if part is not None]
        active = next((part.rollout for part in reversed(own) if part.active), None)
        yield StatusPool(
            site=site,
            cluster=cluster,
            pool=pool,
            nodes=len(members),
            patched=sum(node.state == "patched" for node, _ in members),
            target=targets.most_common(1)[0][0] if targets else "",
            rollout=active.id if active is not None else "",
            rollout_state=str(active.state) if active is not None else "",
            eta_seconds=eta.get(active.id) if active is not None else None,
            note=_waits_for([part for part in own if part.rollout is active]),
        )


def _waits_for(parts: Sequence[RolloutPart]) -> str:
    """Returns the window or freeze that these runs wait for, if nothing else goes on. Empty: they do not only wait for
    a time."""
    open_runs = [part for part in parts if not part.run.ended]
    if any(not part.run.waiting for part in open_runs):
        return ""
    first = [part.held[0] for part in open_runs if part.held]
    for held in first:
        if held.reason is Reason.WINDOW:
            return f"window {held.params.get('opens', '?')}"
        if held.reason is Reason.FREEZE:
            where = held.params.get("where", "")
            return f"freeze {held.subject}{where} until {held.params.get('until', '?')}"
    return ""


def _rows_without_nodes(clusters: Iterable[StatusCluster]) -> Iterable[StatusPool]:
    """Yields one row for each cluster that is unreachable or has no nodes."""
    for cluster in clusters:
        if not cluster.reachable:
            sites = ", ".join(cluster.sites)
            yield StatusPool(sites, cluster.name, "", cluster.nodes, 0, "", note=UNREACHABLE)
        elif not cluster.nodes:
            yield StatusPool(", ".join(cluster.sites), cluster.name, "", 0, 0, "", note="no nodes")


def summary(nodes: Sequence[StatusNode], pools: Iterable[StatusPool]) -> Summary:
    """Returns the numbers of nodes by state, kernel and version."""
    reported = [node for node in nodes if node.state != "unknown"]
    return Summary(
        nodes=len(nodes),
        patched=sum(node.state == "patched" for node in nodes),
        states=_counted(node.state for node in nodes),
        kernels=_counted(node.kernel for node in reported if node.kernel),
        versions=_counted(node.version for node in reported if node.version),
        pools=tuple(pools),
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    """Returns how often each value occurs, the most frequent value first and equally frequent ones in ascending
    order."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def natural(name: str) -> list[str | int]:
    """Returns a sort key by which n-9 comes before n-10."""
    parts: list[str | int] = list(DIGITS.split(name))
    parts[1::2] = map(int, parts[1::2])
    return parts
