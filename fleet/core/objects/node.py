"""A node as its API server reports it, and the annotations and taints that fleet puts on a Node."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

ZONE_LABEL = "topology.kubernetes.io/zone"
SITE_LABEL = "fleet.internal/site"
ARCHITECTURE_LABEL = "kubernetes.io/arch"

PENDING_TAINT = "fleet.internal/pending"
"""Taint (PreferNoSchedule) of a node that a rollout has yet to upgrade, so that evicted pods move to upgraded nodes."""
ROLLOUT_ANNOTATION = "fleet.internal/rollout"
"""Annotation: the rollout that has set the pending taint."""
CORDON_ANNOTATION = "fleet.internal/cordoned-by"
"""Annotation: the rollout that has cordoned the node. A cordon without this annotation is not fleet's and stays."""

KEEP_OFF_ANNOTATION = "fleet.internal/keep-off"
"""Annotation: the rollout that keeps other controllers off the node, and the keys of the annotations that fleet has set
for this purpose, such as `r-1 KEY KEY`."""

INVENTORY_TAINT = "fleet.internal/inventory"
"""Taint of a host without a cluster that an operator has cordoned in the inventory file."""
CLAIMED_TAINT = "fleet.internal/claimed"
"""Taint of a host without a cluster that another fleet has claimed; the value names that fleet."""
NOT_READY_ANNOTATION = "fleet.internal/not-ready"
"""Annotation: why a host is not Ready. A host without a cluster has no kubelet that reports a condition."""


class NodeRef(NamedTuple):
    """Identifies a node in the whole fleet."""

    cluster: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> NodeRef:
        """Returns the reference that `cluster/name` stands for. Raises ValueError if the text has not that form."""
        cluster, slash, name = text.partition("/")
        if not (cluster and slash and name):
            raise ValueError(f"expected CLUSTER/NODE, found {text!r}")
        return cls(cluster, name)


class Taint(Struct, frozen=True, gc=False):
    """A taint of a Node."""

    key: str
    effect: str
    value: str = ""


class Toleration(Struct, frozen=True, gc=False):
    """A toleration of a pod."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Returns whether the toleration matches the taint, by the rules of core/v1."""
        if self.effect and self.effect != taint.effect:
            return False
        if not self.key:
            return self.operator == "Exists"
        return self.key == taint.key and (self.operator == "Exists" or self.value == taint.value)


class Resources(Struct, frozen=True, gc=False):
    """An amount of each resource: what a node has allocatable, or what a pod requests."""

    cpu: int = 0
    """Millicores."""
    memory: int = 0
    """Bytes."""
    pods: int = 0
    """Number of pods."""
    storage: int = 0
    """Ephemeral storage in bytes."""
    others: tuple[tuple[str, int], ...] = ()
    """Extended resources, huge pages and all other counted resources, as name and amount; without zeros, sorted by
    name."""


class Node(Struct, frozen=True, gc=False):
    """A Node object, or a host without a cluster in the same form."""

    name: str
    uid: str
    """Empty if the node has never been seen: a host that is down when its controller tries to reach the host the first
    time."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    """The annotations of fleet and those by which other controllers announce work on the node; all others are left
    out."""
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    ready: bool | None = True
    """None if the kubelet has stopped reporting (condition Ready is Unknown); such a node counts as unavailable."""
    boot_id: str = ""
    machine_id: str = ""
    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""
    allocatable: Resources = Resources()
    resource_version: str = ""
    deleting: bool = False
    addresses: tuple[str, ...] = ()
    """The node's IP addresses, and its host names other than `name`."""
    system_uuid: str = ""
    """UUID of the hardware or the virtual machine, as its firmware reports the UUID."""
    provider_id: str = ""
    """Id of the machine at its cloud provider; set by the cloud controller, possibly after the node has registered."""

    @property
    def zone(self) -> str:
        return self.labels.get(ZONE_LABEL, "")

    @property
    def architecture(self) -> str:
        """Processor architecture by Go's name, such as `amd64` or `arm64`; empty if it is not reported."""
        return self.labels.get(ARCHITECTURE_LABEL, "")

    @property
    def available(self) -> bool:
        """True if the node is in service: Ready, schedulable, and not being deleted."""
        return self.ready is True and not self.unschedulable and not self.deleting

    @property
    def why_unready(self) -> str:
        """Returns why the node is not Ready; empty if that is not known."""
        return self.annotations.get(NOT_READY_ANNOTATION, "")

    @property
    def cordoned_by(self) -> str:
        """The rollout that has cordoned the node; empty if no rollout has."""
        return self.annotations.get(CORDON_ANNOTATION, "")

    @property
    def rollout(self) -> str:
        """The rollout whose pending taint the node carries; empty if there is none."""
        return self.annotations.get(ROLLOUT_ANNOTATION, "")

    @property
    def kept_off_by(self) -> str:
        """The rollout that keeps other controllers off the node; empty if no rollout does."""
        return self.annotations.get(KEEP_OFF_ANNOTATION, "").partition(" ")[0]

    @property
    def foreign_cordon(self) -> bool:
        """True if the node is cordoned, and not by fleet."""
        return self.unschedulable and not self.cordoned_by

    @property
    def pending_taint(self) -> bool:
        """True if the node carries fleet's pending taint."""
        return any(taint.key == PENDING_TAINT for taint in self.taints)
