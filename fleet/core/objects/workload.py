"""What keeps pods running: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.objects.daemonset import DaemonTemplate
from fleet.core.objects.pod import Owner, PodRef
from fleet.core.objects.selector import Selector

QUORUM_ANNOTATION = "fleet.internal/quorum"
"""On a StatefulSet, Deployment or DaemonSet: its pods are members of a quorum group. Its value is the group's kind, or a
mapping as the policy has one."""


class NodeLock(Struct, frozen=True, gc=False):
    """A node that kured has locked for its reboot, as its DaemonSet's annotation tells."""

    node: str
    since: datetime | None = None
    until: datetime | None = None
    """kured itself does not heed it any more from then on; None: it has no end."""


class Workload(Struct, frozen=True, gc=False):
    kind: str
    namespace: str
    name: str
    uid: str
    replicas: int = 1
    ready: int = 0
    owner: Owner | None = None
    """A ReplicaSet's Deployment."""
    min_ready_seconds: int = 0
    quorum: str | None = None
    """What its annotation says of the quorum group that its pods are; None: it has none."""
    selector: Selector | None = None
    """Of its pods. Kept only where they are a quorum group."""
    locks: tuple[NodeLock, ...] = ()
    """Of kured's DaemonSet."""
    resource_version: str = ""
    fails_by_eviction: bool = False
    """A Job without a retry, whose policy for failed pods does not leave evictions out: it fails with its first pod."""
    daemon: DaemonTemplate | None = None
    """Of a DaemonSet: which nodes it wants. None: not known, or another kind."""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)
