"""A quorum group that runs in pods, as drivers read it."""

from __future__ import annotations

from datetime import datetime

from fleet.core.cluster.view import ClusterView
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, SnapshotRule
from fleet.core.records.errors import FleetError
from fleet.quorums.group import PodsPlace
from fleet.quorums.reading import Asks, read

REST = 5.0
"""Seconds between two readings."""
HEAVY_REST = 15.0
"""Seconds between two readings whose command starts a JVM, which takes a second of CPU. A reading is valid for thirty
seconds."""


class PodGroup:
    """A quorum group in pods; `site` is the cluster's. Its leader cannot be moved, and no snapshot can be taken: a
    group in pods elects another leader by itself when a member is stopped."""

    def __init__(self, group: QuorumGroup, site: str, asks: Asks) -> None:
        if group.members is None:
            raise ValueError(f"{group.name} is an etcd")
        self.name = group.name
        probe = group.members.probe
        self.rest = HEAVY_REST if probe is not None and probe.heavy else REST
        self._group = group
        self._namespace = group.members.namespace
        self._site = site
        self._asks = asks

    async def read(self, view: ClusterView, now: datetime) -> Quorum:
        """Returns the state of the group. A group that does not answer is a reading too and raises nothing."""
        place = PodsPlace(view.nodes, self._site)
        pods = view.pod_index.in_namespace(self._namespace)
        return await read(self._group, place, pods, self._asks, now)

    async def move_leader(self, to: str) -> str:
        raise FleetError(f"the leader of {self.name} ({self._group.kind}) cannot be moved to {to}")

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str:
        raise FleetError(f"fleet takes no snapshot of {self.name} ({self._group.kind})")

    async def defragment(self, member: str) -> str:
        raise FleetError(f"fleet does not defragment {member} of {self.name} ({self._group.kind})")
