"""The nodes that a plan of a standing policy upgrades."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.standing.reach import ReleaseOrder


def direct_nodes(
    policy: Policy, pool_name: str, release: Release, snapshots: Iterable[Snapshot]
) -> frozenset[NodeRef]:
    """Returns the nodes of the pool that run an older release and may go directly to this one. Empty where the policy no
    longer has the pool, or its stream the release."""
    pool = policy.pool(pool_name)
    stream = policy.stream(pool.stream) if pool is not None else None
    if pool is None or stream is None or stream.find(release.version) is None:
        return frozenset()
    order, goes = ReleaseOrder(stream), dict[str, bool]()
    found: set[NodeRef] = set()
    for snapshot in snapshots:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            if policy.pool_of(snapshot.cluster, node) is not pool:
                continue
            machine = machines.get(node.name)
            running = policy.version_of(machine.booted if machine is not None else None)
            if running not in goes:
                goes[running] = order.goes(running, release)
            if goes[running]:
                found.add(NodeRef(snapshot.cluster, node.name))
    return frozenset(found)
