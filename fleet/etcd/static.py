"""Members of the cluster's own etcd by its static pods, as kubeadm and similar installers run them: `etcd-NODE` in
`kube-system`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.quorum.groups import GroupSpread, place_name
from fleet.core.quorum.quorum import Member, Quorum
from fleet.etcd.reading import MemberPlace, host_of

NAMESPACE = "kube-system"
LABEL = ("component", "etcd")
PORT = 2379


def pods_of(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """Returns the pods that run a member of the cluster's own etcd."""
    key, value = LABEL
    found = (pod for pod in pods if pod.namespace == NAMESPACE and pod.labels.get(key) == value and pod.node)
    return tuple(sorted(found, key=lambda pod: pod.node))


def endpoints_of(pods: Sequence[Pod], nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Returns client URLs, from kubeadm's annotation of its static pods; for other pods the node's first address, with
    etcd's port."""
    urls = (pod.etcd.split(",")[0] or _url(nodes.get(pod.node)) for pod in pods)
    return tuple(url for url in urls if url)


def _url(node: Node | None) -> str:
    first = next(iter(node.addresses), "") if node is not None else ""
    return f"https://{f'[{first}]' if ':' in first else first}:{PORT}" if first else ""


def any_served_by(endpoints: Iterable[str], pods: Sequence[Pod], nodes: Mapping[str, Node]) -> bool:
    """Returns whether one of these client URLs belongs to one of the pods, or to its node."""
    hosts = {host_of(url) for url in endpoints}
    own = {host_of(url) for url in endpoints_of(pods, nodes)}
    for pod in pods:
        own |= {pod.node, *(nodes[pod.node].addresses if pod.node in nodes else ())}
    return not hosts.isdisjoint(own)


def place_of(cluster: str, site: str, node: Node, spread: GroupSpread = "site") -> MemberPlace:
    """Returns the place of a member on this node. `site` is the cluster's; the node's own label takes precedence."""
    return MemberPlace(NodeRef(cluster, node.name), place_name(node, site, spread))


def declared(
    name: str, pods: Sequence[Pod], where: Mapping[str, MemberPlace], why: str, now: datetime
) -> Quorum:
    """Returns the group by the readiness of its pods: the leader and the progress of members are unknown. `why` is the
    reason why etcd itself cannot be asked."""
    members = []
    for pod in pods:
        place = where.get(pod.node, MemberPlace())
        ready = pod.ready and not pod.deleting
        members.append(Member(pod.node, place.node, place.site, reachable=ready))
    return Quorum(name, "etcd", members=tuple(members), declared=True, unread=why, read_at=now)


def group_in(snapshot: Snapshot, spread: GroupSpread = "site") -> Quorum | None:
    """Returns the cluster's own etcd by its pods alone; None: the cluster shows none."""
    pods = pods_of(snapshot.pods)
    where = {node.name: place_of(snapshot.cluster, snapshot.site, node, spread) for node in snapshot.nodes}
    why = "only its pods were read"
    return declared(own_name(snapshot.cluster), pods, where, why, snapshot.at) if pods else None


def own_name(cluster: str) -> str:
    """Returns the name of the cluster's own etcd where no policy names the group."""
    return f"{cluster}/etcd"
