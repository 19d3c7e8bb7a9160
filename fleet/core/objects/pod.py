"""A pod, as far as a drain, a budget and a scheduler need to know it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct

from fleet.core.objects.node import Resources, Toleration
from fleet.core.objects.placement import AffinityRule, HostPort, NodeTerm, SpreadRule
from fleet.core.records.doubt import Doubt

_WORD = re.compile(r"[A-Za-z][-A-Za-z]{0,19}")
PodPhase = Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
Stuck = Literal["", "gated", "unschedulable"]


class PodRef(NamedTuple):
    """A pod's identity in its cluster. Names are reused (StatefulSets), so a uid goes with it where it matters."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def is_word(value: str) -> bool:
    """An annotation's value that switches something: `true`, `skip`, `wait-completed`. No other annotations of pods are
    kept, since they are many, long, and none of fleet's business."""
    return _WORD.fullmatch(value) is not None


class Owner(Struct, frozen=True, gc=False):
    """The controlling owner reference."""

    kind: str
    name: str
    uid: str = ""


class Pod(Struct, frozen=True, gc=False):
    namespace: str
    name: str
    uid: str
    node: str = ""
    """Name of the node it is bound to; empty while it waits for the scheduler."""
    labels: dict[str, str] = {}
    phase: PodPhase = "Running"
    ready: bool = True
    deleting: bool = False
    """It has a deletionTimestamp: an eviction was granted, or somebody deleted it; it is not gone yet."""
    owner: Owner | None = None
    mirror: bool = False
    etcd: str = ""
    """Where the member of an etcd in it serves clients, as kubeadm notes on its static pod."""
    api_server: str = ""
    """Version of the API server in it, as the tag of its image says; of static pods of kubeadm and alike."""
    local_data: bool = False
    """It has an emptyDir that is not memory: its content is lost with the pod."""
    host_path: bool = False
    finalizers: bool = False
    grace_seconds: int = 30
    requests: Resources = Resources(pods=1)
    tolerations: tuple[Toleration, ...] = ()
    node_selector: dict[str, str] = {}
    affinity: tuple[NodeTerm, ...] = ()
    """Required node affinity: one of them must match the node. Empty: any node will do."""
    apart: tuple[SpreadRule, ...] = ()
    resource_version: str = ""
    gone_by: datetime | None = None
    """Its deletionTimestamp: its grace period is over then. None: it is not being deleted, or nobody knows since when."""
    finalizer_names: tuple[str, ...] = ()
    """Those of `finalizers`, where they are known."""
    annotations: dict[str, str] = {}
    """Those whose value `is_word`: what a drain rule may ask for."""
    unready_since: datetime | None = None
    """Of a pod that is not Ready: since when, or since when it is there. None: that is not told."""
    near: tuple[AffinityRule, ...] = ()
    """Required pod affinity: all of them must hold."""
    ports: tuple[HostPort, ...] = ()
    """Ports of the node that its containers use."""
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims that it mounts."""
    own_claims: tuple[str, ...] = ()
    """Names of the claims that were made for this pod alone (ephemeral volumes), and go with it."""
    priority: int = 0
    preempts: bool = True
    """It may take the place of pods of lower priority; False: preemptionPolicy Never."""
    stuck: Stuck = ""
    """Why it is on no node: a scheduling gate, or the scheduler has found no node for it. Empty while it is on a node,
    or while the scheduler has not looked at it yet."""
    doubts: tuple[Doubt, ...] = ()
    """What decides where it can be, and that fleet cannot judge."""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)

    @property
    def mounted(self) -> tuple[str, ...]:
        """Names of all PersistentVolumeClaims, of its namespace, that its volumes are."""
        return self.claims + self.own_claims

    @property
    def daemon(self) -> bool:
        return self.owner is not None and self.owner.kind == "DaemonSet"

    @property
    def stays(self) -> bool:
        """It is not drained: DaemonSet pods come right back, static ones cannot be evicted."""
        return self.mirror or (self.owner is not None and self.owner.kind == "DaemonSet")

    @property
    def placeholder(self) -> bool:
        """Its priority is below that of every ordinary pod: it keeps room free and makes way for any of them, as the
        pods of the cluster autoscaler's overprovisioning do."""
        return self.priority < 0

    @property
    def ignores_budgets(self) -> bool:
        """The Eviction API asks no budget for pods that do not run yet or any more.

        Source: `canIgnorePDB` in the API server's eviction subresource.
        """
        return self.deleting or self.phase in ("Pending", "Succeeded", "Failed")

    @property
    def finished(self) -> bool:
        return self.phase in ("Succeeded", "Failed")
