"""The quorum groups of a cluster: those that the policy declares, and its own etcd where it can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleet.core.event import Seen
from fleet.core.groups import Group as Declared
from fleet.core.policy import Policy
from fleet.core.snapshot import Snapshot

if TYPE_CHECKING:
    from fleet.drivers.ports import Cluster
    from fleet.drivers.quorums import Group
    from fleet.kube.cluster import Cluster as RealCluster


def groups_of(cluster: RealCluster, site: str, policy: Policy) -> dict[str, Group]:
    """By name. An etcd that no policy names goes by its static pods: one member at a time, each Ready again."""
    from fleet.etcd.group import EtcdGroup
    from fleet.etcd.static import own_name
    from fleet.kube.asking import Asking
    from fleet.quorums.pods import PodGroup

    found: dict[str, Group] = {}
    named = [group for group in policy.quorums if group.cluster == cluster.name]
    for group in named:
        etcd = group.kind == "etcd"
        asking = Asking(cluster.transport)
        found[group.name] = EtcdGroup(group, site) if etcd else PodGroup(group, site, asking)
    if not any(group.kind == "etcd" for group in named):
        own = own_name(cluster.name)
        found[own] = EtcdGroup(Declared(own, cluster.name), site)
    return found


def guarded(cluster: RealCluster, site: str, policy: Policy) -> Cluster:
    """The cluster with its groups, as a driver sees it."""
    from fleet.app.clock import WallClock
    from fleet.drivers.quorums import ClusterWithQuorums

    return ClusterWithQuorums(cluster, groups_of(cluster, site, policy), WallClock())


async def with_quorums(snapshot: Snapshot, cluster: RealCluster, policy: Policy) -> Snapshot:
    """The same with its groups read now."""
    found = []
    for group in groups_of(cluster, snapshot.site, policy).values():
        for node in snapshot.nodes:
            group.see(Seen(snapshot.cluster, node))
        for pod in snapshot.pods:
            group.see(Seen(snapshot.cluster, pod))
        if (told := await group.read(snapshot.at)) is not None:
            found.append(told)
    return replace(snapshot, quorums=tuple(found))
