"""Asks the engine's guards on a snapshot what would hold a node until an operator acts, if a rollout began now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy, Pool, site_of
from fleet.core.records.held import Held
from fleet.core.releases.release import Release
from fleet.core.rollout.event import ClusterSynced, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout


class Obstacle(Struct, frozen=True):
    """One reason, and every node that it holds."""

    held: Held
    nodes: tuple[str, ...]
    """Names, in alphabetical order."""


def obstacles(policy: Policy, snapshot: Snapshot) -> tuple[Obstacle, ...]:
    """Returns what needs an operator before the nodes of the policy's pools can be upgraded.

    Time is the snapshot's own. Nodes in no pool are left out, and so is whatever passes by itself.
    """
    engine = Engine({snapshot.cluster: snapshot.site}, foretells=True)
    for obj in snapshot.objects():
        engine.observe(Upserted(snapshot.cluster, obj), snapshot.at)
    engine.observe(ClusterSynced(snapshot.cluster, snapshot.server_version), snapshot.at)
    by_reason: dict[tuple[str, str, str], tuple[Held, list[str]]] = {}
    for rollout in _rollouts(policy, snapshot):
        engine.add(rollout)
        for ref in rollout.runs:
            for held in engine.lasting(ref, snapshot.at):
                # Parameters that the message does not contain (such as how much of a budget one node needs) do not make
                # a different obstacle.
                by_reason.setdefault((held.reason, held.subject, held.message), (held, []))[1].append(
                    ref.name
                )
    return tuple(Obstacle(held, tuple(sorted(names))) for held, names in by_reason.values())


def _rollouts(policy: Policy, snapshot: Snapshot) -> Iterator[Rollout]:
    """Yields one rollout for each pool, of all nodes of the pool, to the release that the pool should run."""
    for pool in policy.pools:
        goals = tuple(_goals(policy, pool, snapshot))
        release = policy.target(pool) or Release("")
        yield Rollout(pool.name, Start("", release, policy, goals), snapshot.at, "")


def _goals(policy: Policy, pool: Pool, snapshot: Snapshot) -> Iterable[Goal]:
    for node in snapshot.nodes:
        if policy.pool_of(snapshot.cluster, node) is pool:
            ref = NodeRef(snapshot.cluster, node.name)
            yield Goal(ref, node.uid, pool.name, site_of(node, snapshot.site), node.zone, canary=True)
