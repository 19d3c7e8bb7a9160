"""Finds what has changed in the fleet since a plan was made."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.plan import Plan
from fleet.core.releases.release import is_release


def changed_nodes(plan: Plan, snapshots: Iterable[Snapshot]) -> list[str]:
    """Returns a message for each node of the plan that is no longer as the plan assumes, sorted by name."""
    found: list[str] = []
    for snapshot in snapshots:
        nodes = {node.name: node for node in snapshot.nodes}
        machines = {machine.name: machine for machine in snapshot.machines}
        for key, presumed in sorted(plan.fingerprint.items()):
            ref = NodeRef.parse(key)
            if ref.cluster != snapshot.cluster:
                continue
            uid, _, version = presumed.partition(" ")
            node, machine = nodes.get(ref.name), machines.get(ref.name)
            booted = plan.policy.version_of(machine.booted if machine is not None else None)
            if node is None:
                found.append(f"{key} is gone")
            elif not node.uid:
                found.append(f"{key} is not reached: {node.why_unready or 'it has not been seen yet'}")
            elif node.uid != uid:
                found.append(f"{key} is another machine under the same name")
            elif booted != version:
                found.append(f"{key} runs {booted or 'nothing known'} now, not {version or 'nothing known'}")
    return found


def added_nodes(plan: Plan, snapshots: Iterable[Snapshot]) -> list[str]:
    """Returns the nodes of the plan's pools that the plan does not include and that do not run its release. A rollback
    is about some nodes only, so no nodes are reported for one."""
    found: list[str] = []
    if plan.rolls_back:
        return found
    for snapshot in snapshots:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            pool = plan.policy.pool_of(snapshot.cluster, node)
            machine = machines.get(node.name)
            booted = machine.booted if machine is not None else None
            ref = str(NodeRef(snapshot.cluster, node.name))
            wanted = pool is not None and pool.name in plan.pools and not is_release(booted, plan.target)
            if wanted and ref not in plan.fingerprint:
                found.append(ref)
    return found
