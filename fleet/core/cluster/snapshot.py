"""Snapshots: the state of one cluster at one time, which a plan starts from and a dump or a sync reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import ClusterVolumes, PersistentVolume, PersistentVolumeClaim
from fleet.core.objects.workload import Workload
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.event import ClusterObject
from fleet.core.third_parties.maintenance import Maintenance


class Snapshot(Struct, frozen=True):
    """The objects of one cluster at one time."""

    cluster: str
    site: str
    at: datetime
    server_version: str = ""
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    workloads: tuple[Workload, ...] = ()
    machines: tuple[Machine, ...] = ()
    quorums: tuple[Quorum, ...] = ()
    volumes: tuple[PersistentVolume, ...] = ()
    claims: tuple[PersistentVolumeClaim, ...] = ()
    missing: dict[str, str] = {}
    """Kinds, by resource name, that could not be read, each with the reason. Objects of these kinds may exist although
    the snapshot has none."""
    attachments: tuple[Attachment, ...] = ()
    maintenances: tuple[Maintenance, ...] = ()

    @classmethod
    def of(
        cls, objects: Iterable[ClusterObject], cluster: str, site: str, at: datetime, version: str = ""
    ) -> Snapshot:
        """Returns the objects as a snapshot, each kind in the order given. `version`: of the API server."""
        kinds: dict[type, list[Any]] = defaultdict(list)
        for obj in objects:
            kinds[type(obj)].append(obj)
        return cls(
            cluster=cluster,
            site=site,
            at=at,
            server_version=version,
            nodes=tuple(kinds[Node]),
            pods=tuple(kinds[Pod]),
            budgets=tuple(kinds[Budget]),
            workloads=tuple(kinds[Workload]),
            machines=tuple(kinds[Machine]),
            quorums=tuple(kinds[Quorum]),
            volumes=tuple(kinds[PersistentVolume]),
            claims=tuple(kinds[PersistentVolumeClaim]),
            attachments=tuple(kinds[Attachment]),
            maintenances=tuple(kinds[Maintenance]),
        )

    def objects(self) -> Iterator[ClusterObject]:
        """Yields every object; budgets and workloads come before the pods that they select."""
        yield from self.workloads
        yield from self.budgets
        yield from self.nodes
        yield from self.machines
        yield from self.volumes
        yield from self.claims
        yield from self.attachments
        yield from self.pods
        yield from self.quorums
        yield from self.maintenances


def volumes_of(snapshot: Snapshot) -> ClusterVolumes:
    """Returns the volumes and claims of the snapshot."""
    volumes = ClusterVolumes()
    for volume in snapshot.volumes:
        volumes.upsert(volume)
    for claim in snapshot.claims:
        volumes.upsert(claim)
    return volumes
