"""Makes the status of the fleet from what is known about the fleet. Pure: the same facts and time give the same
status."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.node_state import (
    KnownNode,
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
) -> FleetStatus:
    """Returns the status of the fleet at `now`.

    `rollouts`: in the order of their starts. `held`: what each node waits for. `eta`: seconds until the end of each
    rollout, by id. `held_since`: since when each node has been held.
    """
    reachable = {cluster.name for cluster in clusters if cluster.reachable}
    parts = parts_of(rollouts, held or {}, held_since)
    names = ReleaseNames(policy)
    nodes = [
        describe(known_node, names, parts.get(known_node.ref), known_node.cluster in reachable)
        for known_node in known_nodes
    ]
    nodes.sort(key=lambda node: (node.site, node.cluster, node.pool, natural(node.name)))
    pools = (*_pools(nodes, reachable, parts, eta or {}), *_rows_without_nodes(clusters))
    ordered = sorted(pools, key=lambda row: (row.site, row.cluster, row.pool))
    return FleetStatus(now, tuple(clusters), tuple(nodes), summary(nodes, ordered))


def _pools(
    nodes: Iterable[StatusNode],
    reachable: set[str],
    parts: Mapping[NodeRef, RolloutPart],
    eta: Mapping[str, int | None],
) -> Iterable[StatusPool]:
    """Yields one row for each pool in each reachable cluster."""
    groups: dict[tuple[str, str, str], list[StatusNode]] = {}
    for node in nodes:
        if node.cluster in reachable and node.state != "orphan":
            groups.setdefault((node.site, node.cluster, node.pool), []).append(node)
    for (site, cluster, pool), members in groups.items():
        targets = Counter(node.target for node in members if node.target)
        own = [parts[ref] for node in members if (ref := NodeRef(cluster, node.name)) in parts]
        active = next((part.rollout for part in reversed(own) if part.rollout.active), None)
        yield StatusPool(
            site=site,
            cluster=cluster,
            pool=pool,
            nodes=len(members),
            patched=sum(node.state == "patched" for node in members),
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
