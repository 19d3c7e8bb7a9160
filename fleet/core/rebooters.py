"""Others that reboot nodes and run in the cluster as pods: recognized by who owns the pods and how these are labelled.

Names and labels are those of their own manifests and charts. Who has renamed both is not recognized here; kured and
Flatcar's agent are then still noticed on the machine (`machines/updaters.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from fleet.core.pod import Owner, Pod
from fleet.core.snapshot import Snapshot

PLAN_CONTROLLER = ("upgrade.cattle.io/controller", "system-upgrade-controller")
"""On the pods of the controller, and on those of the Jobs that it makes of its Plans."""


class Kind(NamedTuple):
    name: str
    owner: str
    """Kind of what controls its own pods."""
    names: frozenset[str]
    """Of a DaemonSet."""
    labels: frozenset[tuple[str, str]]
    """Any one of them on its pods is enough."""
    does: str
    nowhere: str
    """What to say of it while it is at work on no node."""
    advice: str


KINDS = (
    Kind(
        "kured",
        "DaemonSet",
        frozenset({"kured"}),
        frozenset({("app.kubernetes.io/name", "kured"), ("name", "kured"), ("app", "kured")}),
        "reboots nodes by itself: {workloads}, on {nodes}",
        "reboots nodes by itself: {workloads}, on none now",
        "keep it off the nodes of fleet's pools, by a nodeSelector of its own, or delete it",
    ),
    Kind(
        "Flatcar's update operator",
        "DaemonSet",
        frozenset({"flatcar-linux-update-agent"}),
        frozenset({("app", "flatcar-linux-update-agent")}),
        "reboots nodes by itself: {workloads}, on {nodes}",
        "reboots nodes by itself: {workloads}, on none now",
        "keep its agent off the nodes of fleet's pools, by a nodeSelector of its own, or delete operator and agent",
    ),
    Kind(
        "system-upgrade-controller",
        "ReplicaSet",
        frozenset(),
        frozenset({PLAN_CONTROLLER, ("app.kubernetes.io/name", "system-upgrade-controller")}),
        "is at work on {nodes} by its Plans: {workloads}",
        "may drain and reboot the nodes that its Plans select, which fleet does not read: {workloads}",
        "see that no Plan of it touches the nodes of fleet's pools: kubectl get plans.upgrade.cattle.io -A",
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}


class Rebooter(Struct, frozen=True):
    """One of them, as it is in a cluster."""

    name: str
    """Of KINDS."""
    workloads: tuple[str, ...]
    """Such as `DaemonSet kube-system/kured`."""
    nodes: int = 0
    """On which it is at work: those with its pods, or with those of its Jobs that have not ended."""

    @property
    def words(self) -> str:
        """One line for a person, without the name."""
        kind = BY_NAME[self.name]
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes:,} nodes"
        words = kind.does if self.nodes else kind.nowhere
        return words.format(workloads=", ".join(self.workloads), nodes=nodes)

    @property
    def advice(self) -> str:
        return BY_NAME[self.name].advice


def rebooters(snapshot: Snapshot) -> tuple[Rebooter, ...]:
    """Those with a pod that has not ended, by name."""
    owners = {
        (each.kind, each.namespace, each.name): each.owner
        for each in snapshot.workloads
        if each.owner is not None
    }
    found: dict[str, list[Pod]] = {}
    for pod in snapshot.pods:
        if (name := _whose(pod)) and not pod.finished:
            found.setdefault(name, []).append(pod)
    return tuple(_rebooter(name, pods, owners) for name, pods in sorted(found.items()))


def _whose(pod: Pod) -> str:
    """Empty: of none of them."""
    owner = pod.owner
    if owner is None:
        return ""
    if owner.kind == "Job":
        key, value = PLAN_CONTROLLER
        return value if pod.labels.get(key) == value else ""
    return next((kind.name for kind in KINDS if kind.owner == owner.kind and _is(kind, owner, pod)), "")


def _is(kind: Kind, owner: Owner, pod: Pod) -> bool:
    return owner.name in kind.names or not kind.labels.isdisjoint(pod.labels.items())


def _rebooter(name: str, pods: Iterable[Pod], owners: Mapping[tuple[str, str, str], Owner]) -> Rebooter:
    workloads, nodes = set(), set()
    for pod in pods:
        assert pod.owner is not None
        if pod.owner.kind != "ReplicaSet":
            nodes.add(pod.node)
        top = owners.get((pod.owner.kind, pod.namespace, pod.owner.name), pod.owner)
        workloads.add(f"{top.kind} {pod.namespace}/{top.name}")
    return Rebooter(name, tuple(sorted(workloads)), len(nodes - {""}))
