"""A quorum group that runs in pods, as drivers ask it."""

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
"""A JVM that starts takes a second of CPU. A reading counts for thirty."""


class PodGroup:
    """`site` is the cluster's. The leader of such a group cannot be asked to hand over, and no snapshot is possible: a group
    in pods elects another leader by itself, when a member is stopped."""

    def __init__(self, group: QuorumGroup, site: str, asks: Asks) -> None:
        if group.members is None:
            raise ValueError(f"{group.name} is an etcd")
        self.name = group.name
        probe = group.members.probe
        self.rest = HEAVY_REST if probe is not None and probe.heavy else REST
        self._group = group
        self._site = site
        self._asks = asks

    async def read(self, view: ClusterView, now: datetime) -> Quorum:
        """Never raises: a group that does not answer is a reading too."""
        place = PodsPlace(view.nodes, self._site)
        return await read(self._group, place, list(view.pods.values()), self._asks, now)

    async def move_leader(self, to: str) -> str:
        raise FleetError(f"the leader of {self.name} ({self._group.kind}) cannot be moved to {to}")

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str:
        raise FleetError(f"fleet takes no snapshot of {self.name} ({self._group.kind})")

    async def defragment(self, member: str) -> str:
        raise FleetError(f"fleet does not defragment {member} of {self.name} ({self._group.kind})")
