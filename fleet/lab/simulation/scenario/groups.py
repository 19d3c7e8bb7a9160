"""Draws quorum groups on the nodes of some clusters, and their declarations."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Link, QuorumRule, SnapshotRule
from fleet.lab.simulation.builders import a_group


def with_group(seed: int, snapshot: Snapshot) -> Snapshot:
    """Adds a quorum group on some of the nodes of some clusters."""
    rng = Random(f"group {seed} {snapshot.cluster}")
    if rng.random() < 0.6:
        return snapshot
    count = min(rng.choice([1, 2, 3, 3, 3, 4, 5, 5]), len(snapshot.nodes))
    nodes = rng.sample(snapshot.nodes, count)
    sites = "".join(rng.choice("fns") for _ in nodes) if rng.random() < 0.4 else ""
    leader = rng.randrange(count)
    name = f"etcd-{snapshot.cluster}"
    group = a_group(nodes, name=name, cluster=snapshot.cluster, sites=sites, leader=leader)
    links = (Link("f", "n", 0.01), Link("f", "s", 0.16), Link("n", "s", 0.15)) if sites else ()
    kind = "etcd" if rng.random() < 0.8 else "zookeeper"
    return replace(snapshot, quorums=(replace(group, links=links, kind=kind),))


def draw_groups(seed: int, snapshots: Sequence[Snapshot]) -> tuple[QuorumGroup, ...]:
    """Draws the groups' declarations. A group of one or two voters may lose its quorum; otherwise the rollout could
    never end."""
    rng = Random(f"group rules {seed}")
    return tuple(
        QuorumGroup(
            group.name,
            snapshot.cluster,
            rule=QuorumRule(
                margin=rng.choice([0, 0, 1]) if len(group.members) >= 5 else 0,
                downtime="allow",
                stretch=rng.choice(["hold", "allow"]),
                soak_seconds=rng.choice([0, 30]),
                snapshot=SnapshotRule("/backup") if rng.random() < 0.8 else None,
                defragment=rng.random() < 0.3,
            ),
        )
        for snapshot in snapshots
        for group in snapshot.quorums
    )
