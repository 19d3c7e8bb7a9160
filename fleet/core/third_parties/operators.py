"""Operators that open their budgets only once a node is cordoned, or once an eviction is asked for.

A budget of theirs that allows nothing is a protocol, not an obstacle: they see the cordon or the request, move what
has to move, and then let the pod go. Sources: each project's documentation of node maintenance; docs/workloads.md
lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleet.core.objects.pod import Pod


class WorkloadOperator(NamedTuple):
    name: str
    labels: dict[str, str]
    """Of the pods; an empty value: any."""
    owner: str
    """Kind of the pods' controller; empty: any."""
    group: str
    """Label whose value tells the operator's clusters apart; empty: it has one in a Kubernetes cluster."""
    signal: str
    """What makes it act, in words."""
    alone: str = ""
    """It hands over to another pod of its cluster first: what helps where there is none on another node. Empty: it needs
    none."""

    def owns(self, pod: Pod) -> bool:
        if self.owner and (pod.owner is None or pod.owner.kind != self.owner):
            return False
        return all(key in pod.labels and value in ("", pod.labels[key]) for key, value in self.labels.items())

    def group_of(self, pod: Pod) -> str:
        """Returns the name of what must not lose two nodes at once."""
        return f"{self.name} {pod.namespace}/{pod.labels.get(self.group, '')}" if self.group else self.name


ASKED = (
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
"""Labels of pods that their operator ends when another pod has gone, and why: evicted before, they harm it."""

ROOK = "Rook opens it again once its placement groups are clean"
_ROOK = ("app", "rook-ceph-osd")


KEYS = frozenset((*(key for each in ASKED for key in each.labels), *(key for key, _ in FOLLOWERS)))
"""Labels, one of which every pod of theirs has."""


def asked_by(pod: Pod) -> WorkloadOperator | None:
    """Returns the operator that acts upon a cordon or an eviction of this pod, if there is one."""
    if KEYS.isdisjoint(pod.labels):
        return None
    return next((each for each in ASKED if each.owns(pod)), None)


def follows(pod: Pod) -> str:
    """Returns why the pod is left to its operator, which ends it when another one has gone; empty: it is not."""
    if KEYS.isdisjoint(pod.labels):
        return ""
    return next((why for (key, value), why in FOLLOWERS.items() if pod.labels.get(key) == value), "")


def cluster_of(pod: Pod) -> str:
    """Returns the cluster in which the pod could take over from another; empty: its operator hands nothing over."""
    if KEYS.isdisjoint(pod.labels):
        return ""
    hands_over = (each for each in ASKED if each.alone and each.labels.keys() <= pod.labels.keys())
    return next((each.group_of(pod) for each in hands_over), "")


def opens_again(pod: Pod) -> str:
    """Returns why a budget of the pod that allows nothing now opens by itself; empty: nothing is known of that."""
    key, value = _ROOK
    return ROOK if pod.labels.get(key) == value else ""
