"""Checks of pools and stages against the nodes of the fleet: who gets no node, and which nodes two pools match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.finding import LintFinding
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import Policy, Pool, site_of
from fleet.core.text.counts import counted

NAMED = 3
"""The number of nodes that a finding names before it counts the rest."""


def check_members(policy: Policy, snapshots: Sequence[Snapshot]) -> Iterator[LintFinding]:
    """Yields the pools and stages without a node, by the snapshots of the whole fleet."""
    if not snapshots:
        return
    places = [
        (pool.name, snapshot.cluster, site_of(node, snapshot.site))
        for snapshot in snapshots
        for node in snapshot.nodes
        if (pool := policy.pool_of(snapshot.cluster, node)) is not None
    ]
    used = {name for name, _, _ in places}
    for pool in policy.pools:
        if pool.name not in used:
            yield _without_nodes(policy, pool, snapshots)
    stages = policy.stages or ()
    for index, stage in enumerate(stages):
        mine = [place for place in places if stage.holds(*place)]
        if not any(not any(before.holds(*place) for before in stages[:index]) for place in mine):
            message = "no node is in it, so its gates are passed over"
            if mine:
                message = (
                    f"its {counted(len(mine), 'node')} are in stages before it, so its gates are passed over"
                )
            remedy = "correct its pools, clusters and sites, or take the stage away"
            yield LintFinding("", "stage-empty", f"stage {stage.name}", message, remedy)


def _without_nodes(policy: Policy, pool: Pool, snapshots: Sequence[Snapshot]) -> LintFinding:
    taken = [
        (node.name, other.name)
        for snapshot in snapshots
        for node in snapshot.nodes
        if pool.holds(snapshot.cluster, node)
        and (other := policy.pool_of(snapshot.cluster, node)) is not None
    ]
    unknown = sorted(set(pool.clusters) - {snapshot.cluster for snapshot in snapshots})
    subject = f"pool {pool.name}"
    if taken:
        before = ", ".join(dict.fromkeys(name for _, name in taken))
        message = f"all nodes that it matches are in pools that come first: {before}"
        return LintFinding(
            "", "pool-empty", subject, message, "move it before them, or narrow their selectors"
        )
    if unknown:
        message = f"no node matches it, and there is no cluster {', '.join(unknown)}"
        return LintFinding(
            "", "pool-empty", subject, message, "write clusters as fleet cluster list has them"
        )
    message = "no node of any cluster matches its selector"
    return LintFinding("", "pool-empty", subject, message, "correct its selector or the labels of its nodes")


def check_overlaps(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields the pairs of pools with different rules that match the same nodes, where it is not plain which one is
    meant: a narrow pool before a wide one is."""
    nodes_of: dict[tuple[str, str], list[str]] = {}
    pools = {pool.name: pool for pool in policy.pools}
    for node in snapshot.nodes:
        matching = [pool for pool in policy.pools if pool.holds(snapshot.cluster, node)]
        for other in matching[1:]:
            nodes_of.setdefault((matching[0].name, other.name), []).append(node.name)
    for (name, other_name), nodes in nodes_of.items():
        first, other = pools[name], pools[other_name]
        if other.covers(first) or first.covers(other) or _rules(first) == _rules(other):
            continue
        more = f" and {len(nodes) - NAMED:,} more" if len(nodes) > NAMED else ""
        message = (
            f"pool {other.name} matches {counted(len(nodes), 'node')} of it too, with other rules; those of {first.name} "
            f"hold, since it comes first: {', '.join(nodes[:NAMED])}{more}"
        )
        remedy = "narrow one of the two selectors, so that each node matches one pool"
        yield LintFinding(snapshot.cluster, "pools-overlap", f"pool {first.name}", message, remedy)


def _rules(pool: Pool) -> Pool:
    """Returns the pool with its rules alone."""
    return replace(pool, name="", selector=Selector(), clusters=())
