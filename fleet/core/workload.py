"""What keeps pods running: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.pod import Owner, PodRef


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
    resource_version: str = ""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)
