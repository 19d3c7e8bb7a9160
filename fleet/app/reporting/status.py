"""The status of the fleet, from the inventory, the policy and the rollouts. Only the database is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from fleet.app.rollouts.standstill import standstill
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named, there_is
from fleet.app.wiring.source_records import only_in_sources
from fleet.app.wiring.sources.registry import source_of
from fleet.core.cluster.version_skew import skews
from fleet.core.notifications.overview import undelivered
from fleet.core.objects.known_node import AlikeNodes, KnownNode
from fleet.core.objects.node import NodeRef
from fleet.core.policy.label_pools import label_pools
from fleet.core.policy.policy import Policy
from fleet.core.quorum.quorum import Quorum, unknown
from fleet.core.records.errors import UsageError
from fleet.core.records.held import Held
from fleet.core.reporting.ended_rollout import EndedRollout
from fleet.core.reporting.overview import overview
from fleet.core.reporting.selection import EVERYTHING, Selection, rows_of
from fleet.core.reporting.status import FleetStatus, StatusCluster, StatusQuorum
from fleet.core.reporting.voters import status_of
from fleet.core.standing.standing_pool import StandingPool
from fleet.core.standing.state import NEEDY
from fleet.drivers.journal.brief import active_of, in_brief

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout
    from fleet.store import ClusterRow
    from fleet.store.inventory.held import Waiting


def fleet_status(
    home: Home,
    selection: Selection = EVERYTHING,
    rollouts: Sequence[Rollout | EndedRollout] | None = None,
    known: Sequence[KnownNode] | None = None,
    count_pods: bool = True,
    standing: Iterable[StandingPool] | None = None,
) -> FleetStatus:
    """Returns the status of everything, or at least of the selection. `rollouts` of the journal, `known`: the nodes of
    the selected clusters, `standing`: what the standing policies of the selection do next, where they are read already.
    `count_pods`: False where nobody asks how many pods a node has: the count reads every pod, and is None without.

    Raises UsageError for an unknown cluster, site or pool: an empty status would look as if nothing were to be done."""
    if rollouts is None:
        rollouts = in_brief(home.store.journal, home.store.folds)
    active = active_of(rollouts)
    chosen = home.clusters(selection.clusters)
    known = known if known is not None else known_in(home, chosen)
    policy = policy_for(home, known)
    stands = standstill(home, active)
    waiting = waiting_in(home, active)
    found = overview(
        home.now(),
        clusters_of(home, chosen, known, groups_in(home)),
        known,
        policy,
        rollouts,
        {ref: waiting_node.held for ref, waiting_node in waiting.items()},
        etas(home, active) if stands is None else {},
        {ref: waiting_node.since for ref, waiting_node in waiting.items()},
        home.store.inventory.pods(cluster=chosen[0].name if len(chosen) == 1 else None)
        if count_pods
        else None,
    )
    refuse_unknown(selection, found, policy)
    unseen = only_in_sources(home, chosen, known) if is_whole(selection) else {}
    found = replace(found, standstill=stands, only_in_sources=unseen or UNSET)
    return with_surroundings(home, found, chosen, policy, selection, standing)


def with_surroundings(
    home: Home,
    status: FleetStatus,
    chosen: Sequence[ClusterRow],
    policy: Policy,
    selection: Selection,
    standing: Iterable[StandingPool] | None = None,
) -> FleetStatus:
    """Returns the status with what it shows beside nodes: quorum groups, standing policies and messages."""
    pools = _standing(home, policy, selection) if standing is None else standing
    return replace(
        status,
        quorums=quorums_of(home, chosen, policy),
        policies=tuple(pool for pool in pools if pool.state in NEEDY) or UNSET,
        undelivered=undelivered(home.store.messages.undelivered(), home.now()) or UNSET,
    )


def is_whole(selection: Selection) -> bool:
    """Returns whether all nodes are selected: a machine that none of them is may be one of the others."""
    return not (selection.clusters or selection.sites or selection.pools)


def _standing(home: Home, policy: Policy, selection: Selection) -> tuple[StandingPool, ...]:
    """Returns what the standing policies of the selection do next."""
    names = [pool.name for pool in policy.automatic if selection.pools in ((), (pool.name,))]
    if not names:
        return ()
    from fleet.app.standing.outlook import outlook

    return outlook(home, names).pools


def policy_for(home: Home, known: Iterable[KnownNode | AlikeNodes]) -> Policy:
    """Returns the policy; where there is no file, one with the pools that the labels of these nodes name."""
    if home.has_policy:
        return home.policy()
    return Policy(pools=label_pools(node.node for node in known if node.node is not None))


def refuse_unknown(selection: Selection, found: FleetStatus, policy: Policy) -> None:
    """Raises UsageError for a site or pool that does not exist, and for a selection without nodes."""
    sites = {node.site for node in found.nodes}.union(*(cluster.sites for cluster in found.clusters))
    for name in selection.sites:
        if name not in sites:
            raise UsageError(f"there is no site {name}", there_is(sorted(sites), name))
    for name in selection.pools:
        pool_named(policy, name)
    wanted = {"cluster": selection.clusters, "site": selection.sites, "pool": selection.pools}
    named = [f"{kind} {' or '.join(names)}" for kind, names in wanted.items() if names]
    if named and found.clusters and not rows_of(found, selection):
        there = replace(selection, pools=()) if len(named) > 1 else EVERYTHING
        rows = rows_of(found, there)
        places = dict.fromkeys(f"{row.pool or 'no pool'} in {row.cluster} at {row.site}" for row in rows)
        raise UsageError(f"no node is in {' and '.join(named)}", f"known: {', '.join(places) or 'none'}")


def quorums_of(home: Home, rows: Sequence[ClusterRow], policy: Policy) -> tuple[StatusQuorum, ...]:
    """Returns the quorum groups of the clusters. The state of the groups of a cluster that is not reached is
    unknown."""
    errors = {row.name: row.last_error for row in rows}
    return tuple(
        status_of(
            unknown(group, f"cluster {cluster} is unreachable") if errors[cluster] else group,
            cluster,
            policy.quorum_rule(group),
        )
        for cluster, group in home.store.inventory.quorums()
        if cluster in errors
    )


def all_clusters(home: Home) -> list[StatusCluster]:
    rows = home.clusters()
    return clusters_of(home, rows, known_in(home, rows), groups_in(home))


def groups_in(home: Home) -> dict[str, list[Quorum]]:
    """Returns the quorum groups that the inventory has, by cluster."""
    found: dict[str, list[Quorum]] = {}
    for cluster, group in home.store.inventory.quorums():
        found.setdefault(cluster, []).append(group)
    return found


def known_in(home: Home, rows: Sequence[ClusterRow], at: datetime | None = None) -> list[KnownNode]:
    """Returns every node that the inventory has of these clusters, and machines without a node, now or at a past
    moment."""
    names = {row.name for row in rows}
    one = rows[0].name if len(rows) == 1 else None
    inventory = home.store.inventory
    found = inventory.nodes(cluster=one) if at is None else inventory.nodes_at(at, cluster=one)
    return [node for node in found if node.cluster in names]


def clusters_of(
    home: Home,
    rows: Sequence[ClusterRow],
    known: Iterable[KnownNode | AlikeNodes],
    groups: Mapping[str, Iterable[Quorum]],
) -> list[StatusCluster]:
    """Describes clusters. A cluster's sites are those that were named when it was added, and those of its nodes."""
    kubelets: dict[str, dict[str, list[str]]] = {}
    sites: dict[str, dict[str, None]] = {}
    for node in known:
        sites.setdefault(node.cluster, {})[node.site] = None
        if node.node is not None:
            kubelets.setdefault(node.cluster, {}).setdefault(node.node.kubelet, []).extend(node.names)
    for by_version in kubelets.values():
        for names in by_version.values():
            names.sort()
    return [
        StatusCluster(
            name=row.name,
            sites=tuple(dict.fromkeys((*row.sites, *sites.get(row.name, ())))),
            reachable=not row.last_error,
            last_seen=row.last_seen,
            error=row.last_error,
            version=row.server_version,
            nodes=sum(map(len, kubelets.get(row.name, {}).values())),
            simulated=source_of(home, row).simulated,
            skew=tuple(
                skew.message
                for skew in skews([row.server_version], kubelets.get(row.name, {}), groups.get(row.name, ()))
            ),
        )
        for row in rows
    ]


def waiting_in(home: Home, rollouts: Iterable[Rollout]) -> dict[NodeRef, Waiting]:
    """Returns what holds each node in these rollouts, and since when."""
    return {
        NodeRef.parse(node): waiting
        for rollout in rollouts
        for node, waiting in home.store.held.of(rollout.id).items()
    }


def held_in(home: Home, rollouts: Iterable[Rollout]) -> dict[NodeRef, tuple[Held, ...]]:
    """Returns what holds each node in these rollouts."""
    return {ref: waiting.held for ref, waiting in waiting_in(home, rollouts).items()}


def etas(home: Home, rollouts: Iterable[Rollout]) -> Mapping[str, int | None]:
    """Returns the estimated seconds until the end, by rollout; None where there is no estimate."""
    found: dict[str, int | None] = {}
    for rollout in rollouts:
        # Plans and their estimates are read only where a rollout is active.
        from fleet.core.planning.eta import seconds_left

        plan = home.store.plans.find(rollout.start.plan)
        if plan is None:
            continue
        found[rollout.id] = seconds_left(rollout, plan, home.now())
    return found
