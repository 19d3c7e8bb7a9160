"""The quorum groups of a cluster: those that the policy declares, those that its workloads declare by annotation, and
the cluster's own etcd where its pods are visible."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleet.config import declared_by
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.workload import Workload
from fleet.core.policy.policy import Policy
from fleet.core.quorum.groups import QuorumGroup as Declared
from fleet.core.quorum.groups import settled
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.event import Upserted

if TYPE_CHECKING:
    from fleet.drivers.pipeline import ClusterPipeline, HookRunner
    from fleet.drivers.quorum_clients import QuorumClient, QuorumClients
    from fleet.kube.cluster import KubeCluster

OF_DUMP = "only its pods were read"


def annotated(workloads: Iterable[Workload], cluster: str) -> tuple[Declared, ...]:
    """Returns the groups that the workloads of a cluster declare, each independent of the others."""
    return tuple(declared_by(workload, cluster) for workload in workloads if workload.quorum is not None)


def groups_of(cluster: KubeCluster, site: str, policy: Policy) -> QuorumClients:
    """Returns the quorum groups of a cluster. For an etcd in static pods that no policy names the default rule counts:
    one member at a time, each Ready before the next."""
    from fleet.drivers.quorum_clients import QuorumClients
    from fleet.etcd.group import EtcdGroup
    from fleet.etcd.static import own_name
    from fleet.kube.client.pod_client import PodClient
    from fleet.kube.client.readiness import Readiness
    from fleet.quorums.pods import PodGroup

    named = [group for group in policy.quorums if group.cluster == cluster.name]

    def declares(workloads: Iterable[Workload]) -> tuple[Declared, ...]:
        return settled(annotated(workloads, cluster.name), named)

    def opened(group: Declared) -> QuorumClient:
        return PodGroup(group, site, PodClient(cluster.transport))

    servers = Readiness(cluster.transport)
    etcds = [EtcdGroup(group, site, servers) for group in named if group.kind == "etcd"]
    standing: dict[str, QuorumClient] = {group.name: opened(group) for group in named if group.kind != "etcd"}
    standing |= {group.name: group for group in etcds}
    if all(group.access.endpoints for group in named if group.kind == "etcd"):
        own = Declared(own_name(cluster.name), cluster.name)
        standing[own.name] = EtcdGroup(own, site, servers, beside=etcds)
    return QuorumClients(standing, declares, opened)


def guarded(cluster: KubeCluster, site: str, policy: Policy, played: Path) -> ClusterPipeline:
    """Returns the cluster with its quorum groups and the agents that run here, as a driver sees it. `played` is as in
    `with_agents`."""
    from fleet.app.wiring.reach import agents_of
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.drivers.quorum_monitor import QuorumMonitor
    from fleet.hooks.job import JobRunner
    from fleet.system.clock import WallClock

    monitor = QuorumMonitor(cluster.name, groups_of(cluster, site, policy), WallClock())
    runners: list[HookRunner] = [JobRunner(cluster.transport)]
    if policy.plays_hooks:
        from fleet.hooks.playbook import PlaybookRunner, over_ssh

        runners.append(PlaybookRunner(played / cluster.name, over_ssh()))
    if not policy.remote:
        return ClusterPipeline(cluster, [monitor], [monitor], hook_runners=runners)
    agents = agents_of(cluster, policy, played)
    return ClusterPipeline(cluster, [agents, monitor], [monitor], agents, runners)


async def with_quorums(snapshot: Snapshot, cluster: KubeCluster, policy: Policy) -> Snapshot:
    """Returns the snapshot with the cluster's quorum groups, read now."""
    return await read_into(snapshot, groups_of(cluster, snapshot.site, policy))


async def read_into(snapshot: Snapshot, groups: QuorumClients) -> Snapshot:
    """Returns the snapshot with these quorum groups, read now."""
    for workload in snapshot.workloads:
        groups.see(Upserted(snapshot.cluster, workload))
    # Groups read nodes, and pods by namespace. All else that a view keeps takes as long as reading the cluster.
    view = ClusterView(snapshot.cluster)
    view.nodes.update((node.name, node) for node in snapshot.nodes)
    for pod in snapshot.pods:
        view.pod_index.upsert(None, pod)
    found = [quorum for group in groups if (quorum := await group.read(view, snapshot.at)) is not None]
    return replace(snapshot, quorums=tuple(found))


def by_pods(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """Returns the snapshot with the quorum groups that its pods show, for a cluster that cannot be asked."""
    from fleet.etcd.static import any_served_by, group_in
    from fleet.etcd.static import pods_of as static_pods
    from fleet.quorums.group import PodsPlace, pods_of, quorum_of

    named = [group for group in policy.quorums if group.cluster == snapshot.cluster]
    place = PodsPlace({node.name: node for node in snapshot.nodes}, snapshot.site)
    static = static_pods(snapshot.pods)
    etcds = [
        group
        for group in named
        if group.kind == "etcd"
        and (not group.access.endpoints or any_served_by(group.access.endpoints, static, place.nodes))
    ]
    own = group_in(snapshot, etcds[0].spread if etcds else "site")
    found: list[Quorum] = [replace(own, name=etcds[0].name if etcds else own.name)] if own is not None else []
    for group in (*named, *settled(annotated(snapshot.workloads, snapshot.cluster), named)):
        if group.members is None:
            continue
        silent = replace(group, members=replace(group.members, probe=None))
        quorum = quorum_of(silent, place, pods_of(group.members, snapshot.pods), {}, snapshot.at)
        found.append(quorum if quorum.unread else replace(quorum, unread=OF_DUMP))
    return replace(snapshot, quorums=tuple(found))
