"""The controllers of workloads: they replace pods that go.

A ReplicaSet (and what is like it) makes a pod the moment another gets its deletionTimestamp; a StatefulSet once
the old one is gone, under its name; a Job after its backoff; a DaemonSet and a static pod on the same node once
the old one is gone. A pod without a controller is lost.

ReplicaSets and Jobs make all their pods from one template. Other owners (StatefulSets, operators) may give each pod
labels, selectors and volumes of its own, so a replacement is made as the pod was that it replaces. A role that an
operator moves from pod to pod is not moved here: to whom it goes is not known.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.daemonset import DaemonSetFit
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.workload import Workload
from fleet.model.behaviour import ClusterBehaviour, draw
from fleet.model.control_plane.pod_templates import CREATED, OF_ONE_TEMPLATE, PodTemplates
from fleet.model.control_plane.scheduler import Scheduler
from fleet.model.event_queue import EventQueue
from fleet.model.objects import Objects, WorkloadKey, controller_of

ORDINAL_LABEL = "statefulset.kubernetes.io/pod-name"
COUNTED = frozenset({"Job", "StatefulSet", "DaemonSet", "Node"})
"""Kinds of owners that are not simply kept at a number of pods."""


class SavedControllers(Struct, frozen=True):
    templates: list[Pod]
    implied: list[tuple[str, str, str, int]]


class Controllers:
    def __init__(
        self,
        objects: Objects,
        scheduler: Scheduler,
        timeline: EventQueue,
        rng: Random,
        saved: SavedControllers | None = None,
    ) -> None:
        self.behaviour = ClusterBehaviour()
        self._objects = objects
        self._scheduler = scheduler
        self._timeline = timeline
        self._rng = rng
        self._active: dict[WorkloadKey, int] = {}
        """Pods that count as present: not finished, not being deleted."""
        self._ready: dict[WorkloadKey, int] = {}
        self._templates = PodTemplates(saved.templates if saved else ())
        self._leaving: dict[WorkloadKey, list[Pod]] = {}
        """Pods that `settle` is to replace by equal ones."""
        self._implied: dict[WorkloadKey, int] = {}
        """The replicas of workloads that the snapshot lacks: the number of their pods."""
        self.behind: dict[WorkloadKey, None] = {}
        """Workloads whose number of pods `settle` is to correct."""
        self.lost: list[Pod] = []
        """Pods that are gone and come back under their own name or on their own node."""
        self.unready: dict[WorkloadKey, None] = {}
        """Workloads whose count of ready pods may be out of date. The writer of the counts empties the set."""
        for pod in objects.pods.values():
            self._count_new_pod(pod)
        if saved:
            self._implied = {WorkloadKey(*implied[:3]): implied[3] for implied in saved.implied}
        else:
            self._implied = {
                key: count for key, count in self._active.items() if key not in objects.workloads
            }
        objects.pod_listeners.append(self._pod_changed)

    def save(self) -> SavedControllers:
        return SavedControllers(
            self._templates.saved(), [(*key, count) for key, count in self._implied.items()]
        )

    def settle(self) -> None:
        """Creates and deletes pods until every workload has as many as it wants."""
        lost, self.lost = self.lost, []
        for pod in lost:
            self._recreate(pod)
        behind, self.behind = self.behind, {}
        for key in behind:
            self._keep_number(key)

    def scale(self, key: WorkloadKey) -> None:
        """Records that the replicas of a workload were changed."""
        if key.kind == "StatefulSet":
            self._scale_set(key)
        elif key.kind != "Deployment":
            self.behind[key] = None

    def start_over(self, key: WorkloadKey) -> None:
        """Makes a Job start a pod again after its backoff."""
        job = self._objects.workloads.get(key)
        if job is None or self._active.get(key, 0) < job.replicas:
            self._make(key, self._fresh_name(key))

    def start_daemons(self, node: str) -> None:
        """Starts a pod of each DaemonSet of which only pods are known, on a node that has joined."""
        for key in self._templates.workloads():
            workload = self._objects.workloads.get(key)
            if key.kind == "DaemonSet" and (workload is None or workload.daemon is None):
                self.start_daemon(key, node)

    def start_daemon(self, key: WorkloadKey, node: str) -> None:
        """Starts a pod of the DaemonSet on this node."""
        workload = self._objects.workloads.get(key)
        owner = Owner("DaemonSet", key.name, workload.uid if workload is not None else "")
        template = self._templates.get(key) or Pod(
            key.namespace, "", "", labels={"app": key.name}, owner=owner
        )
        self._make(key, self._fresh_name(key), node, template)

    def write(self, key: WorkloadKey) -> None:
        """Writes the workload's count of ready pods, and that of its owner."""
        workload = self._objects.workloads.get(key)
        if workload is None:
            return
        ready = self._ready.get(key, 0)
        if workload.ready == ready:
            return
        self._objects.put_workload(workload, ready=ready)
        owner = self._owner(workload)
        if owner is not None:
            self._objects.put_workload(owner, ready=max(0, owner.ready + ready - workload.ready))

    def delete(self, pod: Pod) -> None:
        """Gives a pod its deletionTimestamp; one that was never bound is gone at once."""
        if pod.deleting:
            return
        if pod.node or pod.finalizers:
            gone_by = self._objects.clock(pod.grace_seconds)
            self._objects.change_pod(pod, deleting=True, gone_by=gone_by)
        else:
            self._objects.drop_pod(pod)

    def _owner(self, workload: Workload) -> Workload | None:
        owner = workload.owner
        if owner is None:
            return None
        return self._objects.workloads.get(WorkloadKey(owner.kind, workload.namespace, owner.name))

    def _count_new_pod(self, pod: Pod) -> None:
        key = controller_of(pod)
        if key is None:
            return
        self._active[key] = self._active.get(key, 0) + _active(pod)
        self._ready[key] = self._ready.get(key, 0) + _ready(pod)
        self._templates.learn(key, pod)

    def _pod_changed(self, _: PodRef, key: WorkloadKey | None, old: Pod | None, new: Pod | None) -> None:
        pod = new if new is not None else old
        assert pod is not None
        if new is None and (pod.mirror or key is not None):
            self._note_lost(pod, key)
        if key is None:
            return
        before, after = old is not None and _active(old), new is not None and _active(new)
        if before != after:
            self._active[key] = self._active.get(key, 0) + after - before
            if before:
                self._note_leaving(key, pod)
        was, is_ = old is not None and _ready(old), new is not None and _ready(new)
        if was != is_:
            self._ready[key] = self._ready.get(key, 0) + is_ - was
            self.unready[key] = None

    def _note_leaving(self, key: WorkloadKey, pod: Pod) -> None:
        if key.kind == "Job":
            if not pod.finished:
                delay = draw(self.behaviour.job_backoff, self._rng, f"{key.namespace}/{key.name}")
                self._timeline.add(self._objects.now + delay, "job", *key)
        elif key.kind not in COUNTED:
            self.behind[key] = None
            if key.kind not in OF_ONE_TEMPLATE or pod.uid in self._objects.never_ready:
                self._leaving.setdefault(key, []).append(pod)

    def _note_lost(self, pod: Pod, key: WorkloadKey | None) -> None:
        if pod.mirror or (key is not None and key.kind in ("DaemonSet", "StatefulSet")):
            self.lost.append(pod)

    def _recreate(self, pod: Pod) -> None:
        key = controller_of(pod)
        if pod.ref in self._objects.pods:
            return
        if pod.mirror:
            if pod.node in self._objects.nodes:
                self._create(pod, pod.name, pod.labels, pod.node)
        elif key is not None and key.kind == "DaemonSet":
            if self._wants(key, pod.node):
                self._make(key, self._fresh_name(key), pod.node, pod)
        elif key is not None and _ordinal(pod.name) < self._replicas(key):
            self._make(key, pod.name, template=pod, broken=self._is_broken(pod))

    def _is_broken(self, pod: Pod) -> bool:
        return pod.uid in self._objects.never_ready

    def _wants(self, daemonset: WorkloadKey, name: str) -> bool:
        """Returns whether the DaemonSet runs a pod on the node."""
        node, workload = self._objects.nodes.get(name), self._objects.workloads.get(daemonset)
        asks = workload.daemon if workload is not None else None
        return node is not None and (asks is None or asks.place(node) is DaemonSetFit.RUN)

    def _replicas(self, key: WorkloadKey) -> int:
        workload = self._objects.workloads.get(key)
        if workload is not None:
            return workload.replicas
        # A StatefulSet that is not known gets back whatever it loses.
        return 1 << 30 if key.kind == "StatefulSet" else self._implied.get(key, 0)

    def _keep_number(self, key: WorkloadKey) -> None:
        missing = self._replicas(key) - self._active.get(key, 0)
        leaving = self._leaving.pop(key, [])
        for index in range(missing):
            left = leaving[index] if index < len(leaving) else None
            own = left if key.kind not in OF_ONE_TEMPLATE else None
            broken = left is not None and self._is_broken(left)
            self._make(key, self._fresh_name(key), template=own, broken=broken)
        if missing < 0:
            pods = [pod for pod in self._pods(key) if _active(pod)]
            pods.sort(key=lambda pod: (pod.ready, pod.ref))
            for pod in pods[:-missing]:
                self.delete(pod)

    def _scale_set(self, key: WorkloadKey) -> None:
        wanted = {f"{key.name}-{ordinal}" for ordinal in range(self._replicas(key))}
        present = {pod.name: pod for pod in self._pods(key)}
        for name in sorted(wanted - present.keys(), key=_ordinal):
            self._make(key, name)
        for name in sorted(present.keys() - wanted, key=_ordinal, reverse=True):
            self.delete(present[name])

    def _pods(self, key: WorkloadKey) -> list[Pod]:
        return [pod for pod in self._objects.pods.values() if controller_of(pod) == key]

    def _fresh_name(self, key: WorkloadKey) -> str:
        while True:
            name = f"{key.name}-{self._rng.getrandbits(24):06x}"
            if PodRef(key.namespace, name) not in self._objects.pods:
                return name

    def _make(
        self, key: WorkloadKey, name: str, node: str = "", template: Pod | None = None, broken: bool = False
    ) -> None:
        template = (
            template or self._templates.get(key) or Pod(key.namespace, name, "", labels={"app": key.name})
        )
        labels = template.labels
        if key.kind == "StatefulSet" and labels.get(ORDINAL_LABEL, name) != name:
            labels = labels | {ORDINAL_LABEL: name}
        self._create(template, name, labels, node, broken)

    def _create(
        self, template: Pod, name: str, labels: dict[str, str], node: str, broken: bool = False
    ) -> None:
        """Creates a pod. If the scheduler binds it at once there is one event for both; otherwise the pod waits."""
        uid = f"{self._rng.getrandbits(128):032x}"
        if broken:
            self._objects.never_ready.add(uid)
        pod = replace(template, name=name, uid=uid, labels=labels, node=node, **CREATED)
        if not node:
            node = self._scheduler.choose(pod)
        pod = self._objects.put_pod(pod, node=node, stuck="" if node else "unschedulable")
        if not node:
            self._scheduler.wait(pod)
            for victim in self._scheduler.victims(pod):
                self.delete(victim)


def _active(pod: Pod) -> bool:
    return not pod.deleting and not pod.finished


def _ready(pod: Pod) -> bool:
    return pod.ready and not pod.deleting


def _ordinal(name: str) -> int:
    tail = name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else 0
