"""A node as its API server describes it, and the marks that fleet leaves on it."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

ZONE_LABEL = "topology.kubernetes.io/zone"
SITE_LABEL = "fleet.internal/site"
ARCHITECTURE_LABEL = "kubernetes.io/arch"

PENDING_TAINT = "fleet.internal/pending"
"""PreferNoSchedule while a rollout still has to upgrade the node: an evicted pod moves to an upgraded one."""
ROLLOUT_ANNOTATION = "fleet.internal/rollout"
"""The rollout that put the pending taint there."""
CORDON_ANNOTATION = "fleet.internal/cordoned-by"
"""The rollout that cordoned the node. A cordon without it is somebody else's and stays."""

KEEP_OFF_ANNOTATION = "fleet.internal/keep-off"
"""The rollout that keeps other parties off the node, and the annotations by which it does: `r-1 KEY KEY`."""

INVENTORY_TAINT = "fleet.internal/inventory"
"""A person has cordoned a host without a cluster in its inventory."""
CLAIMED_TAINT = "fleet.internal/claimed"
"""Another fleet has claimed a host without a cluster; the value says whose."""
NOT_READY_ANNOTATION = "fleet.internal/not-ready"
"""Why a host that has no kubelet to say so is not Ready."""


class NodeRef(NamedTuple):
    """A node's identity in the whole fleet."""

    cluster: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> NodeRef:
        """Of `cluster/name`. Raises ValueError without the slash."""
        cluster, slash, name = text.partition("/")
        if not (cluster and slash and name):
            raise ValueError(f"expected CLUSTER/NODE, found {text!r}")
        return cls(cluster, name)


class Taint(Struct, frozen=True, gc=False):
    key: str
    effect: str
    value: str = ""


class Toleration(Struct, frozen=True, gc=False):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if not self.key:
            return self.operator == "Exists"
        return self.key == taint.key and (self.operator == "Exists" or self.value == taint.value)


class Resources(Struct, frozen=True, gc=False):
    cpu: int = 0
    """millicores"""
    memory: int = 0
    """bytes"""
    pods: int = 0
    storage: int = 0
    """Ephemeral storage, in bytes."""
    others: tuple[tuple[str, int], ...] = ()
    """Extended resources, huge pages and whatever else is counted, by name, without zeros, in the order of the names."""


class Node(Struct, frozen=True, gc=False):
    name: str
    uid: str
    """Empty: nobody has seen it yet, a host that is down when its controller looks for the first time."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    """Those of fleet, and those that say who else works on the node; not all of them."""
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    ready: bool | None = True
    """None: the kubelet has not been heard of (condition Unknown). Counts as unavailable."""
    boot_id: str = ""
    machine_id: str = ""
    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""
    allocatable: Resources = Resources()
    resource_version: str = ""
    deleting: bool = False
    addresses: tuple[str, ...] = ()
    """Its own: IP addresses, and host names that are not `name`."""
    system_uuid: str = ""
    """Of the hardware or the virtual machine, as its firmware tells."""
    provider_id: str = ""
    """Of the machine at its cloud; set by the cloud's controller, perhaps after the node has registered."""

    @property
    def zone(self) -> str:
        return self.labels.get(ZONE_LABEL, "")

    @property
    def architecture(self) -> str:
        """As Go names it: `amd64`, `arm64`; empty: nobody tells."""
        return self.labels.get(ARCHITECTURE_LABEL, "")

    @property
    def available(self) -> bool:
        """In service: Ready and open for pods."""
        return self.ready is True and not self.unschedulable and not self.deleting

    @property
    def why_unready(self) -> str:
        """Where that is known; empty otherwise."""
        return self.annotations.get(NOT_READY_ANNOTATION, "")

    @property
    def cordoned_by(self) -> str:
        """The rollout of fleet that cordoned it; empty if none did."""
        return self.annotations.get(CORDON_ANNOTATION, "")

    @property
    def rollout(self) -> str:
        """The rollout whose pending taint it carries; empty if none does."""
        return self.annotations.get(ROLLOUT_ANNOTATION, "")

    @property
    def kept_off_by(self) -> str:
        """The rollout that keeps other parties off it; empty if none does."""
        return self.annotations.get(KEEP_OFF_ANNOTATION, "").partition(" ")[0]

    @property
    def foreign_cordon(self) -> bool:
        return self.unschedulable and not self.cordoned_by

    @property
    def pending_taint(self) -> bool:
        return any(taint.key == PENDING_TAINT for taint in self.taints)
