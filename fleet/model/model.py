"""Models one cluster: answers as an API server does, and changes as its controllers do, in virtual time.

Deterministic: the same snapshot, behaviour, seed and calls give the same events. Times are seconds since the
model's beginning. It is held to the real server by the tests in tests/contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from random import Random

from msgspec.structs import replace

from fleet.core.cluster.refused_patch import RefusedPatch
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.pod import PodRef
from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.event import ClusterEvent, ClusterObject
from fleet.model.actions import ModelActions
from fleet.model.agents import ModelAgents
from fleet.model.behaviour import ClusterBehaviour, draw
from fleet.model.control_plane.controllers import Controllers
from fleet.model.control_plane.daemons import Daemons
from fleet.model.control_plane.disruption import DisruptionController
from fleet.model.control_plane.kubelet import Kubelets
from fleet.model.control_plane.scheduler import Scheduler
from fleet.model.control_plane.volumes import AttachController
from fleet.model.event_queue import EventQueue
from fleet.model.external_changes import ExternalChanges
from fleet.model.objects import Objects, WorkloadKey
from fleet.model.quorums import ModelQuorums
from fleet.model.saved import SavedModel, decode, encode, saved_event


class Model:
    """One cluster, made by `from_snapshot` or `load`. `stranger` makes the changes that others make to a cluster."""

    def __init__(self, saved: SavedModel, behaviour: ClusterBehaviour, rng: Random) -> None:
        self.cluster = saved.cluster
        self.site = saved.site
        self.server_version = saved.server_version
        self._rng = rng
        self._objects = objects = Objects(saved.cluster)
        objects.load(
            saved.nodes,
            saved.pods,
            saved.budgets,
            saved.workloads,
            saved.machines,
            saved.volumes,
            saved.claims,
            saved.attachments,
            saved.maintenances,
        )
        objects.now, objects.revision, objects.epoch = saved.now, saved.revision, saved.epoch
        objects.unread_events.extend(
            (saved_event.at, saved_event.event(saved.cluster)) for saved_event in saved.events
        )
        self._timeline = timeline = EventQueue(list(saved.timeline), saved.made)
        self._disruption = DisruptionController(objects)
        self._scheduler = Scheduler(objects)
        self._controllers = Controllers(objects, self._scheduler, timeline, rng, saved.controllers)
        self._kubelets = Kubelets(objects, self._controllers, timeline, rng)
        self._kubelets.away, self._kubelets.outages = dict(saved.away), saved.outages
        self._kubelets.unregistered = dict(saved.unregistered)
        self._volumes = AttachController(objects, timeline, rng)
        self._volumes.claims, self._volumes.stuck = set(saved.attachable), dict(saved.stuck)
        daemons = Daemons(objects, self._controllers)
        self.quorums = ModelQuorums(objects, self._kubelets, timeline, rng)
        self.quorums.groups = {group.name: replace(group, read_at=None) for group in saved.quorums}
        self.quorums.unread, self.quorums.full = dict(saved.unread), saved.full
        self._agents = ModelAgents(objects, self._kubelets, timeline, rng)
        self.stranger = ExternalChanges(
            objects, self._controllers, self._disruption, self._kubelets, daemons, self._volumes, self._settle
        )
        self._late_budgets = {PodRef(*due[3]) for due in timeline.entries if due[2] == "budget"}
        self._late_workloads = {WorkloadKey(*due[3]) for due in timeline.entries if due[2] == "workload"}
        self.actions = ModelActions(objects, self._disruption, self._controllers, self._agents, self.quorums)
        self._handlers = self._make_handlers()
        self.behave(behaviour)

    @classmethod
    def from_snapshot(
        cls, snapshot: Snapshot, behaviour: ClusterBehaviour, rng: Random, never_ready: Iterable[str] = ()
    ) -> Model:
        """Returns a model that begins at time 0, the moment of the snapshot. Work in progress (starting pods, requests) goes
        on.

        `never_ready`: uids of pods that never become Ready, nor do those that replace them.
        """
        model = cls(SavedModel.of(snapshot), behaviour, rng)
        model._objects.never_ready.update(never_ready)
        model._disruption.dirty = dict.fromkeys(model._objects.budgets)
        model._kubelets.begin()
        model._agents.begin()
        model._volumes.begin()
        model._settle()
        return model

    @classmethod
    def load(cls, data: bytes, behaviour: ClusterBehaviour) -> Model:
        """Returns a model that goes on exactly where `save` was called. Raises msgspec.DecodeError for anything else."""
        saved = decode(data)
        rng = Random()  # noqa: S311
        version, state, gauss = saved.rng
        rng.setstate((version, tuple(state), gauss))
        return cls(saved, behaviour, rng)

    @property
    def now(self) -> float:
        return self._objects.now

    def behave(self, behaviour: ClusterBehaviour) -> None:
        """Changes how the cluster behaves from now on. Work in progress keeps its drawn duration."""
        self._behaviour = behaviour
        self._controllers.behaviour = behaviour
        self._kubelets.behaviour = behaviour
        self._agents.behaviour = behaviour
        self._volumes.behaviour = behaviour
        self.quorums.behaviour = behaviour

    def perform(self, action: AnyAction, now: float) -> Outcome:
        """Performs the action and returns what the API server would answer. The next `advance` returns the resulting
        events."""
        self._run(now)
        try:
            remark = self.actions.perform(action)
        except RefusedPatch as refusal:
            return Outcome(action, refusal.result, refusal.message, refusal.retry_after)
        self._settle()
        return Outcome(action, Result.DONE, remark)

    def advance(self, until: float) -> list[tuple[float, ClusterEvent]]:
        """Returns the events up to that time that were not returned before, in order, each with its time in seconds."""
        self._run(until)
        events = list(self._objects.unread_events)
        self._objects.unread_events.clear()
        return events

    def next_at(self) -> float | None:
        """Returns when `advance` next has something to do, in seconds; None if nothing more will happen by itself."""
        if self._objects.unread_events:
            return self._objects.unread_events[0][0]
        return self._timeline.next_at()

    def objects(self) -> Iterator[ClusterObject]:
        """Returns every object, with those that pods refer to before the pods."""
        objects = self._objects
        yield from objects.workloads.values()
        yield from objects.budgets.values()
        yield from objects.nodes.values()
        yield from objects.machines.values()
        yield from objects.volumes.values()
        yield from objects.claims
        yield from objects.attachments.values()
        yield from objects.pods.values()
        yield from (self.quorums.as_read(name) for name in self.quorums.groups)
        yield from objects.maintenances.values()

    def snapshot(self, at: datetime) -> Snapshot:
        """Returns all objects as they are now."""
        objects = self._objects
        return Snapshot(
            cluster=self.cluster,
            site=self.site,
            at=at,
            server_version=self.server_version,
            nodes=tuple(objects.nodes.values()),
            pods=tuple(objects.pods.values()),
            budgets=tuple(objects.budgets.values()),
            workloads=tuple(objects.workloads.values()),
            machines=tuple(objects.machines.values()),
            quorums=tuple(self.quorums.as_read(name) for name in self.quorums.groups),
            volumes=tuple(objects.volumes.values()),
            claims=objects.claims,
            attachments=tuple(objects.attachments.values()),
            maintenances=tuple(objects.maintenances.values()),
        )

    def save(self) -> bytes:
        """Returns the model as JSON, with its future events. The behaviour is not part of the JSON."""
        objects, timeline = self._objects, self._timeline
        version, state, gauss = self._rng.getstate()
        return encode(
            SavedModel(
                cluster=self.cluster,
                site=self.site,
                server_version=self.server_version,
                nodes=tuple(objects.nodes.values()),
                pods=tuple(objects.pods.values()),
                budgets=tuple(objects.budgets.values()),
                workloads=tuple(objects.workloads.values()),
                machines=tuple(objects.machines.values()),
                quorums=tuple(self.quorums.groups.values()),
                claims=objects.claims,
                maintenances=tuple(objects.maintenances.values()),
                unread=self.quorums.unread,
                full=self.quorums.full,
                now=objects.now,
                revision=objects.revision,
                timeline=tuple(timeline.entries),
                made=timeline.made,
                events=tuple(saved_event(at, event) for at, event in objects.unread_events),
                rng=(version, state, gauss),
                away=dict(self._kubelets.away),
                outages=self._kubelets.outages,
                controllers=self._controllers.save(),
                unregistered=dict(self._kubelets.unregistered),
                epoch=objects.epoch,
                volumes=tuple(objects.volumes.values()),
                attachments=tuple(objects.attachments.values()),
                attachable=tuple(sorted(self._volumes.claims)),
                stuck=dict(self._volumes.stuck),
            )
        )

    def _make_handlers(self) -> Mapping[str, Callable[..., None]]:
        """Returns the functions that handle the entries of the event queue, by kind."""
        return {
            "started": self._kubelets.started,
            "stopped": self._kubelets.stopped,
            "unheard": self._kubelets.unheard,
            "given-up": self._kubelets.given_up,
            "asked": self._agents.asked,
            "progress": self._agents.progress,
            "staged": self._agents.staged,
            "booted": self._agents.booted,
            "reported": self._agents.reported,
            "elected": self.quorums.elected,
            "rejoined": self.quorums.rejoined,
            "detached": self._volumes.detached,
            "caught-up": self.quorums.caught_up,
            "job": lambda *key: self._controllers.start_over(WorkloadKey(*key)),
            "budget": self._write_budget,
            "workload": self._write_workload,
        }

    def _run(self, until: float) -> None:
        while due := self._timeline.pop(until):
            at, _, kind, arguments = due
            if at > self._objects.now:
                self._objects.now = at
            self._handlers[kind](*arguments)
            self._settle()
        if until > self._objects.now:
            self._objects.now = until

    def _settle(self) -> None:
        """Runs the controllers and the scheduler until nothing is left to do."""
        controllers, scheduler = self._controllers, self._scheduler
        while True:
            if controllers.behind or controllers.lost:
                controllers.settle()
            elif scheduler.gained:
                scheduler.settle()
            else:
                break
        if self._disruption.dirty or controllers.unready:
            self._queue_statuses()

    def _queue_statuses(self) -> None:
        """Queues the writing of a status, which comes a little later than the change that the status is about."""
        now, rng = self._objects.now, self._rng
        if self._disruption.dirty:
            for ref in self._disruption.dirty:
                if ref not in self._late_budgets:
                    self._late_budgets.add(ref)
                    delay = draw(self._behaviour.budget, rng, ref.name)
                    self._timeline.add(now + delay, "budget", *ref)
            self._disruption.dirty = {}
        if self._controllers.unready:
            for key in self._controllers.unready:
                if self._behaviour.workload is not None and key not in self._late_workloads:
                    self._late_workloads.add(key)
                    delay = draw(self._behaviour.workload, rng, f"{key.namespace}/{key.name}")
                    self._timeline.add(now + delay, "workload", *key)
            self._controllers.unready = {}

    def _write_budget(self, namespace: str, name: str) -> None:
        ref = PodRef(namespace, name)
        self._late_budgets.discard(ref)
        self._disruption.write(ref)

    def _write_workload(self, kind: str, namespace: str, name: str) -> None:
        key = WorkloadKey(kind, namespace, name)
        self._late_workloads.discard(key)
        self._controllers.write(key)
