"""A pod, reduced to the fields that drains, budgets and the scheduler use."""

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
    """Identifies a pod, or another namespaced object, in its cluster. StatefulSets reuse the names of pods, so a uid
    goes with the reference where one particular pod is meant."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def is_word(value: str) -> bool:
    """Returns whether the value of an annotation is a single word that switches something, such as `true`, `skip` or
    `wait-completed`. Other annotations of pods are not kept, since there are many of them, they are long, and fleet
    does not use them."""
    return _WORD.fullmatch(value) is not None


class Owner(Struct, frozen=True, gc=False):
    """The controlling owner reference."""

    kind: str
    name: str
    uid: str = ""


class Pod(Struct, frozen=True, gc=False):
    """A pod of a cluster."""

    namespace: str
    name: str
    uid: str
    node: str = ""
    """Name of the node that the pod is bound to; empty while the pod waits for the scheduler."""
    labels: dict[str, str] = {}
    phase: PodPhase = "Running"
    ready: bool = True
    deleting: bool = False
    """True if the pod has a deletionTimestamp: an eviction was granted or the pod was deleted, and the pod is not gone
    yet."""
    owner: Owner | None = None
    mirror: bool = False
    """True for a mirror pod, which stands for a static pod of the kubelet."""
    etcd: str = ""
    """Client URL of the etcd member in the pod, as kubeadm notes the URL on the static pod; empty for other pods."""
    api_server: str = ""
    """Version of the API server in the pod, by the tag of its image; for static pods of kubeadm and similar
    installers."""
    local_data: bool = False
    """True if the pod has an emptyDir that is not in memory: its content is lost with the pod."""
    host_path: bool = False
    """True if the pod mounts a hostPath."""
    finalizers: bool = False
    """True if the pod has finalizers."""
    grace_seconds: int = 30
    """terminationGracePeriodSeconds."""
    requests: Resources = Resources(pods=1)
    tolerations: tuple[Toleration, ...] = ()
    node_selector: dict[str, str] = {}
    affinity: tuple[NodeTerm, ...] = ()
    """Terms of the required node affinity, at least one of which must match the node; empty if there is no
    requirement."""
    apart: tuple[SpreadRule, ...] = ()
    """Required pod anti-affinity and topology spread; all of the rules must hold."""
    resource_version: str = ""
    gone_by: datetime | None = None
    """The deletionTimestamp, at which the grace period is over. None if the pod is not being deleted, or the time is
    not known."""
    finalizer_names: tuple[str, ...] = ()
    """Names of the finalizers, if they are known."""
    annotations: dict[str, str] = {}
    """The annotations whose value `is_word`, which are those that a drain rule can match."""
    unready_since: datetime | None = None
    """Since when a pod that is not Ready has not been Ready; its creation time if that is not reported. None if the pod
    is Ready, or neither time is known."""
    near: tuple[AffinityRule, ...] = ()
    """Required pod affinity; all of the rules must hold."""
    ports: tuple[HostPort, ...] = ()
    """Host ports that the pod's containers use."""
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims that the pod mounts, without `own_claims`."""
    own_claims: tuple[str, ...] = ()
    """Names of the claims of the pod's ephemeral volumes, which are created for this pod and deleted with the pod."""
    priority: int = 0
    """Priority of the pod's PriorityClass."""
    preempts: bool = True
    """True if the pod may preempt pods of lower priority; False for preemptionPolicy Never."""
    stuck: Stuck = ""
    """Why the pod is on no node: `gated` by a scheduling gate, or `unschedulable` since the scheduler has found no node
    for the pod. Empty if the pod is on a node, or the scheduler has not tried to place the pod yet."""
    doubts: tuple[Doubt, ...] = ()
    """Rules of the pod's placement that fleet cannot evaluate."""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)

    @property
    def mounted(self) -> tuple[str, ...]:
        """Names of all PersistentVolumeClaims, in the pod's namespace, that the pod's volumes use."""
        return self.claims + self.own_claims

    @property
    def daemon(self) -> bool:
        """True if a DaemonSet controls the pod."""
        return self.owner is not None and self.owner.kind == "DaemonSet"

    @property
    def stays(self) -> bool:
        """True if a drain leaves the pod on its node: a DaemonSet would replace its pod at once, and a static pod
        cannot be evicted."""
        return self.mirror or (self.owner is not None and self.owner.kind == "DaemonSet")

    @property
    def placeholder(self) -> bool:
        """True if the pod's priority is negative, below that of every ordinary pod. Such a pod keeps capacity free and
        is preempted by ordinary pods, as the pods of the cluster autoscaler's overprovisioning are."""
        return self.priority < 0

    @property
    def ignores_budgets(self) -> bool:
        """True if the Eviction API checks no budget: the pod does not run yet, does not run any more, or is being
        deleted.

        Source: `canIgnorePDB` in the API server's eviction subresource.
        """
        return self.deleting or self.phase in ("Pending", "Succeeded", "Failed")

    @property
    def should_be_ready(self) -> bool:
        """True for a pod that neither has ended nor is being deleted."""
        return not (self.finished or self.deleting)

    @property
    def finished(self) -> bool:
        """True if the pod has ended (Succeeded or Failed)."""
        return self.phase in ("Succeeded", "Failed")
