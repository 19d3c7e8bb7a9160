"""The objects of the model's API server, and its watch: every change gets a new resourceVersion and is announced."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.volumes import ClusterVolumes, PersistentVolume, PersistentVolumeClaim
from fleet.core.objects.workload import Workload
from fleet.core.rollout.event import ClusterEvent, ClusterObject, Deleted, Upserted
from fleet.core.third_parties.maintenance import Maintenance


class WorkloadKey(NamedTuple):
    kind: str
    namespace: str
    name: str


PodListener = Callable[[PodRef, WorkloadKey | None, Pod | None, Pod | None], None]
"""Called with a pod's name, its controller, and the pod before and after a change; None if it was not there, or is
gone."""
NodeListener = Callable[[Node | None, Node | None], None]


def controller_of(pod: Pod) -> WorkloadKey | None:
    owner = pod.owner
    return None if owner is None else WorkloadKey(owner.kind, pod.namespace, owner.name)


class Objects:
    """Announces changes to listeners at once, in the order in which they were added, and to watchers through
    `unread_events`."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.now = 0.0
        self.epoch: datetime | None = None
        """The wall-clock time at time 0; None if it was not given."""
        self.revision = 0
        self.unread_events: deque[tuple[float, ClusterEvent]] = deque()
        """Events that no watcher has read yet."""
        self.nodes: dict[str, Node] = {}
        self.pods: dict[PodRef, Pod] = {}
        self.budgets: dict[PodRef, Budget] = {}
        self.workloads: dict[WorkloadKey, Workload] = {}
        self.machines: dict[str, Machine] = {}
        self.never_ready: set[str] = set()
        """Uids of pods that never become Ready, nor do their replacements. Not saved with a model."""
        self.claims: tuple[PersistentVolumeClaim, ...] = ()
        self.bound = ClusterVolumes()
        """Which claim is bound to which volume. The model creates and binds no others."""
        self.volumes: dict[str, PersistentVolume] = {}
        self.attachments: dict[str, Attachment] = {}
        self._attached: dict[str, dict[str, None]] = {}
        """The names of VolumeAttachments, by node."""
        self.maintenances: dict[tuple[str, str, str], Maintenance] = {}
        self._on_node: dict[str, set[PodRef]] = {}
        self._controllers: dict[PodRef, WorkloadKey | None] = {}
        self._keys: dict[WorkloadKey, WorkloadKey] = {}
        self.pod_listeners: list[PodListener] = []
        self.node_listeners: list[NodeListener] = []

    def load(
        self,
        nodes: Iterable[Node],
        pods: Iterable[Pod],
        budgets: Iterable[Budget],
        workloads: Iterable[Workload],
        machines: Iterable[Machine],
        volumes: Iterable[PersistentVolume] = (),
        claims: Iterable[PersistentVolumeClaim] = (),
        attachments: Iterable[Attachment] = (),
        maintenances: Iterable[Maintenance] = (),
    ) -> None:
        """Adds objects without events, since there are no watchers yet."""
        self.nodes = {node.name: node for node in nodes}
        self.budgets = {budget.ref: budget for budget in budgets}
        self.workloads = {
            WorkloadKey(workload.kind, workload.namespace, workload.name): workload for workload in workloads
        }
        self.machines = {machine.name: machine for machine in machines}
        self.volumes, self.claims = {volume.name: volume for volume in volumes}, tuple(claims)
        for volume in self.volumes.values():
            self.bound.upsert(volume)
        for claim in self.claims:
            self.bound.upsert(claim)
        self.attachments = {attachment.name: attachment for attachment in attachments}
        for attachment in self.attachments.values():
            self._attached.setdefault(attachment.node, {})[attachment.name] = None
        self.maintenances = {maintenance.key: maintenance for maintenance in maintenances}
        for pod in pods:
            ref = pod.ref
            self.pods[ref] = pod
            self._controllers[ref] = self._shared(controller_of(pod))
            if pod.node:
                self._on_node.setdefault(pod.node, set()).add(ref)

    def clock(self, seconds: float = 0.0) -> datetime | None:
        """Returns the wall-clock time so many seconds from now."""
        return self.epoch + timedelta(seconds=self.now + seconds) if self.epoch is not None else None

    def pods_on(self, node: str) -> list[PodRef]:
        """Returns the objects in the order of their names, which does not depend on the past."""
        return sorted(self._on_node.get(node, ()))

    def attachments_on(self, node: str) -> list[Attachment]:
        return [self.attachments[name] for name in self._attached.get(node, ())]

    def emit(self, event: ClusterEvent) -> None:
        """Announces an event to watchers; the one place that does."""
        self.unread_events.append((self.now, event))

    def put_pod(self, pod: Pod, **fields: Any) -> Pod:
        """Creates a pod like this one, except for `fields`."""
        pod = replace(pod, resource_version=self._version(), **fields)
        ref, key = pod.ref, self._shared(controller_of(pod))
        self.pods[ref] = pod
        self._controllers[ref] = key
        if pod.node:
            self._on_node.setdefault(pod.node, set()).add(ref)
        self._announce(pod)
        for listener in self.pod_listeners:
            listener(ref, key, None, pod)
        return pod

    def change_pod(self, old: Pod, **fields: Any) -> Pod:
        """Changes these fields of a pod, and announces the change."""
        pod = replace(old, resource_version=self._version(), **fields)
        ref = pod.ref
        self.pods[ref] = pod
        if pod.node != old.node:
            self._on_node.setdefault(pod.node, set()).add(ref)
        self._announce(pod)
        key = self._controllers[ref]
        for listener in self.pod_listeners:
            listener(ref, key, old, pod)
        return pod

    def drop_pod(self, pod: Pod) -> None:
        """Removes a pod, and announces the deletion."""
        ref = pod.ref
        del self.pods[ref]
        key = self._controllers.pop(ref)
        if pod.node:
            self._on_node[pod.node].discard(ref)
        self._announce_deleted(pod)
        for listener in self.pod_listeners:
            listener(ref, key, pod, None)

    def put_node(self, node: Node, **fields: Any) -> None:
        node = replace(node, resource_version=self._version(), **fields)
        old = self.nodes.get(node.name)
        self.nodes[node.name] = node
        self._announce(node)
        for listener in self.node_listeners:
            listener(old, node)

    def drop_node(self, node: Node) -> None:
        del self.nodes[node.name]
        self._announce_deleted(node)
        for listener in self.node_listeners:
            listener(node, None)

    def put_budget(self, budget: Budget, **fields: Any) -> None:
        """Changes these fields of the object."""
        budget = replace(budget, resource_version=self._version(), **fields)
        self.budgets[budget.ref] = budget
        self._announce(budget)

    def drop_budget(self, budget: Budget) -> None:
        del self.budgets[budget.ref]
        self._announce_deleted(budget)

    def put_workload(self, workload: Workload, **fields: Any) -> None:
        workload = replace(workload, resource_version=self._version(), **fields)
        self.workloads[WorkloadKey(workload.kind, workload.namespace, workload.name)] = workload
        self._announce(workload)

    def drop_workload(self, workload: Workload) -> None:
        del self.workloads[WorkloadKey(workload.kind, workload.namespace, workload.name)]
        self._announce_deleted(workload)

    def put_volume(self, volume: PersistentVolume) -> None:
        volume = replace(volume, resource_version=self._version())
        self.volumes[volume.name] = volume
        self.bound.upsert(volume)
        self._announce(volume)

    def put_attachment(self, attachment: Attachment, **fields: Any) -> None:
        attachment = replace(attachment, resource_version=self._version(), **fields)
        self.attachments[attachment.name] = attachment
        self._attached.setdefault(attachment.node, {})[attachment.name] = None
        self._announce(attachment)

    def drop_attachment(self, attachment: Attachment) -> None:
        del self.attachments[attachment.name]
        del self._attached[attachment.node][attachment.name]
        self._announce_deleted(attachment)

    def put_machine(self, machine: Machine, **fields: Any) -> None:
        machine = replace(machine, resource_version=self._version(), **fields)
        self.machines[machine.name] = machine
        self._announce(machine)

    def drop_machine(self, machine: Machine) -> None:
        del self.machines[machine.name]
        self._announce_deleted(machine)

    def put_maintenance(self, maintenance: Maintenance) -> None:
        maintenance = replace(maintenance, resource_version=self._version())
        self.maintenances[maintenance.key] = maintenance
        self._announce(maintenance)

    def drop_maintenance(self, maintenance: Maintenance) -> None:
        del self.maintenances[maintenance.key]
        self._announce_deleted(maintenance)

    def _shared(self, key: WorkloadKey | None) -> WorkloadKey | None:
        """Returns the one key that stands for all that are equal."""
        return self._keys.setdefault(key, key) if key is not None else None

    def _version(self) -> str:
        self.revision += 1
        return str(self.revision)

    def _announce(self, obj: ClusterObject) -> None:
        self.emit(Upserted(self.cluster, obj))

    def _announce_deleted(self, obj: ClusterObject) -> None:
        self.emit(Deleted(self.cluster, obj))
