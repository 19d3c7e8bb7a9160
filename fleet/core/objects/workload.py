"""The controllers of pods: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.objects.daemonset import DaemonTemplate
from fleet.core.objects.pod import Owner, PodRef
from fleet.core.objects.selector import Selector

QUORUM_ANNOTATION = "fleet.internal/quorum"
"""Annotation of a StatefulSet, Deployment or DaemonSet whose pods are members of a quorum group. The value is the
group's kind, or a mapping with the keys that a quorum group has in the policy."""


class NodeLock(Struct, frozen=True, gc=False):
    """A node that kured has locked for a reboot, as an annotation of kured's DaemonSet records."""

    node: str
    since: datetime | None = None
    until: datetime | None = None
    """The time from which kured itself ignores the lock; None if the lock does not expire."""


class Workload(Struct, frozen=True, gc=False):
    """A controller of pods: a Deployment, ReplicaSet, StatefulSet, DaemonSet or Job."""

    kind: str
    namespace: str
    name: str
    uid: str
    replicas: int = 1
    ready: int = 0
    """Number of Ready pods, as the workload's status reports."""
    owner: Owner | None = None
    """The workload's own controller, such as the Deployment of a ReplicaSet."""
    min_ready_seconds: int = 0
    quorum: str | None = None
    """Value of the annotation that declares the pods a quorum group; None without that annotation."""
    selector: Selector | None = None
    """Selector of the workload's pods; kept only if the pods are a quorum group."""
    locks: tuple[NodeLock, ...] = ()
    """The node locks, if the workload is kured's DaemonSet."""
    resource_version: str = ""
    fails_by_eviction: bool = False
    """True for a Job without retries whose podFailurePolicy does not ignore evictions: the Job fails with its first
    evicted pod."""
    daemon: DaemonTemplate | None = None
    """The node requirements of a DaemonSet; None if they are not known, or the workload is of another kind."""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)
