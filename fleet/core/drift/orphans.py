"""Finds what one source knows and another does not: machines without a node, nodes without an agent, slots of nodes that
were deleted, machines that are known by two names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fleet.core.drift.drift_report import OrphanFinding, OrphanReport
from fleet.core.drift.known_elsewhere import Departed, only_in_sources, renamed
from fleet.core.objects import identity
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import Node, NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.reporting.status import StatusCluster
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import HAS_SLOT
from fleet.core.sources.matching import NO_SOURCES, SourceMatching

OTHERS_NAMED = 5
"""How many other nodes a finding names: thousands of boards may have left the factory with one UUID."""

LONG = timedelta(hours=1)
"""A node that has not been Ready for less is probably rebooting."""


def orphans(
    known: Sequence[KnownNode],
    clusters: Sequence[StatusCluster],
    policy: Policy,
    rollouts: Iterable[Rollout],
    not_ready_since: Mapping[NodeRef, datetime],
    now: datetime,
    matching: SourceMatching = NO_SOURCES,
    departed: Sequence[Departed] = (),
) -> OrphanReport:
    """Returns all findings. Nothing is concluded about a cluster that does not answer, except that. `not_ready_since`:
    since when nodes are not Ready; a node that is not in it has been so for an unknown time. `matching`: which nodes the
    machines of other sources are. `departed`: nodes that their clusters do not have any more."""
    reachable = {cluster.name for cluster in clusters if cluster.reachable}
    active = [rollout for rollout in rollouts if rollout.active]
    working = {ref for rollout in active for ref, run in rollout.runs.items() if run.step in HAS_SLOT}
    seen = [node for node in known if node.cluster in reachable]
    findings = [
        *_clusters(clusters),
        *(found for node in seen for found in _of_node(node, policy)),
        *(
            found
            for node in seen
            if node.ref not in working
            for found in _not_ready(node, not_ready_since, now)
        ),
        *_slots(seen, reachable, active),
        *_same_machine(seen),
        *renamed(departed, seen, now),
        *only_in_sources(matching, _nodes(known), [one.name for one in clusters if not one.reachable]),
    ]
    findings.sort(key=lambda one: (one.kind, one.cluster, one.name))
    return OrphanReport(now, tuple(findings))


def _nodes(known: Iterable[KnownNode]) -> dict[NodeRef, Node]:
    return {one.ref: one.node for one in known if one.node is not None}


def _clusters(clusters: Sequence[StatusCluster]) -> Iterator[OrphanFinding]:
    for cluster in clusters:
        if not cluster.reachable:
            yield OrphanFinding(
                cluster.name,
                ", ".join(cluster.sites),
                cluster.name,
                "unseen-cluster",
                cluster.last_seen,
                "the cluster does not answer, so that nothing can be said about its nodes",
                f"fleet cluster check {cluster.name}; fleet cluster remove {cluster.name} if it is gone for good",
            )


def _of_node(known: KnownNode, policy: Policy) -> Iterator[OrphanFinding]:
    where, node = (known.cluster, known.site, known.name), known.node
    if node is None:
        yield OrphanFinding(
            *where,
            "no-node",
            known.since,
            "there is a Machine, and the cluster has no Node of that name",
            f"kubectl delete machines.fleet.internal {known.name} if the machine is gone; else look why its kubelet does "
            "not register",
        )
        return
    pool = policy.pool_of(known.cluster, node)
    wants_agent = pool is not None and bool(pool.stream) and pool.reach == "agent"
    if wants_agent and (known.machine is None or not known.machine.reported):
        yield OrphanFinding(
            *where,
            "no-agent",
            None,
            f"pool {pool.name if pool is not None else ''} is reached by agents, and none has reported this node",
            f"fleet cluster check {known.cluster}; fleet cluster install {known.cluster} runs agents on all nodes",
        )


def _not_ready(
    known: KnownNode, not_ready_since: Mapping[NodeRef, datetime], now: datetime
) -> Iterator[OrphanFinding]:
    node, since = known.node, not_ready_since.get(known.ref)
    if node is None or node.ready is True or (since is not None and now - since < LONG):
        return
    state = "is not Ready" if node.ready is False else "has a kubelet that stopped reporting"
    yield OrphanFinding(
        known.cluster,
        known.site,
        known.name,
        "not-ready",
        since,
        f"the node {state}{f': {node.why_unready}' if node.why_unready else ''}",
        f"kubectl describe node {known.name}; fleet node history {known.cluster}/{known.name}",
    )


def _slots(
    seen: Sequence[KnownNode], reachable: set[str], rollouts: Iterable[Rollout]
) -> Iterator[OrphanFinding]:
    """A node that its cluster deleted while a run had its slot counts as unavailable until the run ends."""
    there = {node.ref for node in seen if node.node is not None}
    for rollout in rollouts:
        for ref, run in rollout.runs.items():
            if run.slot and ref.cluster in reachable and ref not in there:
                yield OrphanFinding(
                    ref.cluster,
                    run.goal.site,
                    ref.name,
                    "slot-of-deleted",
                    run.since,
                    f"the cluster has no such node any more, and rollout {rollout.id} counts it as unavailable",
                    f"fleet rollout release {ref} gives the slot back",
                )


def _same_machine(seen: Sequence[KnownNode]) -> Iterator[OrphanFinding]:
    """Hardware ids that several nodes report: a machine that came back under another name, or copied ids."""
    by_id: dict[str, list[KnownNode]] = {}
    for known in seen:
        if known.node is not None and known.node.system_uuid:
            by_id.setdefault(identity.canonical_uuid(known.node.system_uuid), []).append(known)
    for same in by_id.values():
        for known in same if len(same) > 1 else ():
            yield OrphanFinding(
                known.cluster,
                known.site,
                known.name,
                "same-machine",
                None,
                f"has the same system UUID as {_others(known, same)}",
                "delete the Node that is stale; if both machines exist, give each firmware a UUID of its own",
            )


def _others(known: KnownNode, same: Sequence[KnownNode]) -> str:
    named = [str(other.ref) for other in same[: OTHERS_NAMED + 1] if other is not known][:OTHERS_NAMED]
    rest = len(same) - 1 - len(named)
    return ", ".join(named) + (f" and {rest:,} more" if rest else "")
