"""Kubernetes operators whose budgets allow an eviction only after a node is cordoned, or an eviction is requested.

A budget of such an operator that allows no disruption is a protocol, not an obstacle: the operator sees the cordon or
the eviction request, moves what has to move, and then lets the pod go. Sources: each project's documentation of node
maintenance; docs/workloads.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleet.core.objects.pod import Pod


class WorkloadOperator(NamedTuple):
    """A Kubernetes operator that acts on a cordon or an eviction request, and how its pods are recognized."""

    name: str
    labels: dict[str, str]
    """Labels that all of its pods have; an empty value stands for any value."""
    owner: str
    """Kind of the pods' controller; empty for any kind."""
    group: str
    """Key of the label whose value is the name of the operator's own cluster; empty if a Kubernetes cluster has only
    one."""
    signal: str
    """The signal on which the operator acts, for messages."""
    alone: str = ""
    """The remedy if no other pod of the operator's cluster is on another node, for an operator that hands over to another
    pod before it lets a pod go. Empty for an operator that needs no other pod."""

    def owns(self, pod: Pod) -> bool:
        """Returns whether the pod is one of this operator's."""
        if self.owner and (pod.owner is None or pod.owner.kind != self.owner):
            return False
        return all(key in pod.labels and value in ("", pod.labels[key]) for key, value in self.labels.items())

    def group_of(self, pod: Pod) -> str:
        """Returns the name of the operator's cluster that the pod belongs to, which must not lose two nodes at once."""
        return f"{self.name} {pod.namespace}/{pod.labels.get(self.group, '')}" if self.group else self.name


OPERATORS = (
    WorkloadOperator(
        "Longhorn",
        {"longhorn.io/component": "instance-manager"},
        "",
        "",
        "it lets its instance manager go once the node is cordoned and its volumes have moved",
    ),
    WorkloadOperator(
        "Strimzi",
        {"strimzi.io/cluster": ""},
        "StrimziPodSet",
        "strimzi.io/cluster",
        "its drain cleaner sees the request, and the cluster operator rolls the pod",
    ),
    WorkloadOperator(
        "KubeVirt",
        {"kubevirt.io": "virt-launcher"},
        "",
        "",
        "it sees the request and migrates the virtual machine",
    ),
    WorkloadOperator(
        "CloudNativePG",
        {"cnpg.io/cluster": "", "cnpg.io/instanceRole": "primary"},
        "",
        "cnpg.io/cluster",
        "it switches over from a primary on a cordoned node",
        "add an instance on another node, or set enablePDB: false on the Cluster if the database may be down until its node "
        "is back",
    ),
    WorkloadOperator(
        "Portworx",
        {"name": "portworx"},
        "StorageCluster",
        "",
        "it opens a storage node's budget once the node is cordoned and its volumes keep their quorum",
    ),
)

FOLLOWERS: Mapping[tuple[str, str], str] = {
    ("kubevirt.io", "hotplug-disk"): "KubeVirt: it holds a volume of its virtual machine, and goes with it",
}
"""Labels, key and value, of pods that their operator ends when another pod is gone, each with the reason. The eviction
of such a pod before that would harm the other pod."""

ROOK = "Rook opens it again once its placement groups are clean"
_ROOK = ("app", "rook-ceph-osd")


KEYS = frozenset(
    (*(key for operator in OPERATORS for key in operator.labels), *(key for key, _ in FOLLOWERS))
)
"""Label keys of all these operators and followers: every pod of theirs has at least one of them."""


def operator_of(pod: Pod) -> WorkloadOperator | None:
    """Returns the operator that acts on a cordon of this pod's node or an eviction of this pod; None if there is
    none."""
    if KEYS.isdisjoint(pod.labels):
        return None
    return next((operator for operator in OPERATORS if operator.owns(pod)), None)


def follows(pod: Pod) -> str:
    """Returns why a drain leaves the pod to its operator, which ends the pod when another pod is gone; empty if the
    drain does not."""
    if KEYS.isdisjoint(pod.labels):
        return ""
    return next((why for (key, value), why in FOLLOWERS.items() if pod.labels.get(key) == value), "")


def cluster_of(pod: Pod) -> str:
    """Returns the operator's cluster in which the pod could take over from another pod; empty if its operator hands
    nothing over."""
    if KEYS.isdisjoint(pod.labels):
        return ""
    hands_over = (
        operator for operator in OPERATORS if operator.alone and operator.labels.keys() <= pod.labels.keys()
    )
    return next((operator.group_of(pod) for operator in hands_over), "")


def opens_again(pod: Pod) -> str:
    """Returns why a budget of the pod that allows no disruption now will allow one without an operator's action; empty
    if nothing is known about the pod's budget."""
    key, value = _ROOK
    return ROOK if pod.labels.get(key) == value else ""
