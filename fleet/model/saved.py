"""Saves a model as JSON: all objects, the future events, and the announced events that were not read yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.objects.workload import Workload
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted
from fleet.core.third_parties.maintenance import Maintenance
from fleet.model.control_plane.controllers import SavedControllers
from fleet.model.event_queue import Due


class SavedEvent(Struct, frozen=True, omit_defaults=True):
    """An event as data. Exactly one of its objects is set."""

    at: float
    form: Literal["seen", "gone"]
    node: Node | None = None
    pod: Pod | None = None
    budget: Budget | None = None
    workload: Workload | None = None
    machine: Machine | None = None
    quorum: Quorum | None = None
    volume: PersistentVolume | None = None
    attachment: Attachment | None = None
    maintenance: Maintenance | None = None

    def event(self, cluster: str) -> ClusterEvent:
        stored = self.node or self.pod or self.budget or self.workload or self.machine
        obj = stored or self.quorum or self.volume or self.attachment or self.maintenance
        assert obj is not None
        return Upserted(cluster, obj) if self.form == "seen" else Deleted(cluster, obj)


class SavedModel(Struct, frozen=True, kw_only=True):
    cluster: str
    site: str
    server_version: str
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    budgets: tuple[Budget, ...]
    workloads: tuple[Workload, ...]
    machines: tuple[Machine, ...]
    quorums: tuple[Quorum, ...] = ()
    maintenances: tuple[Maintenance, ...] = ()
    now: float = 0.0
    revision: int = 0
    timeline: tuple[Due, ...] = ()
    made: int = 0
    events: tuple[SavedEvent, ...] = field(default=(), name="told")
    """The announced events that were not read yet."""
    rng: tuple[int, tuple[int, ...], float | None] = (3, (), None)
    away: dict[str, int] = {}
    outages: int = 0
    controllers: SavedControllers | None = None
    unread: dict[str, str] = {}
    full: str = ""
    unregistered: dict[str, tuple[Node, Machine]] = {}
    epoch: datetime | None = None
    """The wall-clock time at the model's time 0."""
    volumes: tuple[PersistentVolume, ...] = ()
    claims: tuple[PersistentVolumeClaim, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    attachable: tuple[PodRef, ...] = ()
    """The PersistentVolumeClaims whose volumes are attached to nodes."""
    stuck: dict[str, str] = {}

    @classmethod
    def of(cls, snapshot: Snapshot) -> SavedModel:
        """Returns a model that has just begun."""
        versions = (
            int(node.resource_version or 0) for node in snapshot.nodes if node.resource_version.isdigit()
        )
        return cls(
            cluster=snapshot.cluster,
            site=snapshot.site,
            server_version=snapshot.server_version,
            nodes=snapshot.nodes,
            pods=snapshot.pods,
            budgets=snapshot.budgets,
            workloads=snapshot.workloads,
            machines=snapshot.machines,
            quorums=snapshot.quorums,
            volumes=snapshot.volumes,
            claims=snapshot.claims,
            attachments=snapshot.attachments,
            maintenances=snapshot.maintenances,
            revision=max(versions, default=0),
            epoch=snapshot.at,
        )


FIELDS: Mapping[type, str] = {
    Node: "node",
    Pod: "pod",
    Budget: "budget",
    Workload: "workload",
    Machine: "machine",
    Quorum: "quorum",
    PersistentVolume: "volume",
    Attachment: "attachment",
    Maintenance: "maintenance",
}
"""The field of a saved event for each kind of object. A model changes no PersistentVolumeClaim."""


def saved_event(at: float, event: ClusterEvent) -> SavedEvent:
    """Returns the event as data. Raises TypeError for an event that a model does not make."""
    if not isinstance(event, Upserted | Deleted):
        raise TypeError(f"a model does not make {type(event).__name__}")
    form: Literal["seen", "gone"] = "seen" if isinstance(event, Upserted) else "gone"
    field = FIELDS.get(type(event.obj))
    if field is None:
        raise TypeError(f"a model announces no {type(event.obj).__name__}")
    about: dict[str, Any] = {field: event.obj}
    return SavedEvent(at, form, **about)


def encode(saved: SavedModel) -> bytes:
    return msgspec.json.encode(saved, order="deterministic")


def decode(data: bytes) -> SavedModel:
    return msgspec.json.decode(data, type=SavedModel)
