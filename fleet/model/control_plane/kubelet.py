"""The kubelets of all nodes: they start and stop pods, and keep them through a reboot. Also the node controller, as far as
it acts on nodes that do not report."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.planning.estimates import app_of
from fleet.core.policy.evictable import stuck
from fleet.model.behaviour import ClusterBehaviour, draw
from fleet.model.control_plane.controllers import Controllers
from fleet.model.event_queue import EventQueue
from fleet.model.objects import Objects, WorkloadKey


class Kubelets:
    def __init__(self, objects: Objects, controllers: Controllers, timeline: EventQueue, rng: Random) -> None:
        self.behaviour = ClusterBehaviour()
        self._objects = objects
        self._controllers = controllers
        self._timeline = timeline
        self._rng = rng
        self.away: dict[str, int] = {}
        """Nodes whose kubelet does not run, each with a number that grows with every boot."""
        self.outages = 0
        self.unregistered: dict[str, tuple[Node, Machine]] = {}
        """Machines whose Node object was deleted, each with that object. They register again when their kubelet
        starts."""
        self.listeners: list[Callable[[str, bool], None]] = []
        """Called for each node whose machine goes down, or is up again."""
        objects.pod_listeners.append(self._pod_changed)

    def begin(self) -> None:
        """Continues what a snapshot shows in progress: pods that start or stop, nodes that do not report."""
        for node in self._objects.nodes.values():
            if node.ready is None:
                self._mark_away(node.name)
        for pod in self._objects.pods.values():
            if pod.deleting:
                # One that should have been gone long ago does not go by itself.
                if (now := self._objects.clock()) is None or stuck(pod, now) is None:
                    self._stop(pod)
            elif pod.node and pod.phase == "Pending":
                self._start(pod)

    def down(self, name: str) -> None:
        """Takes the machine down. Its pods are not Ready at once; the node is set to Unknown only after a while."""
        if name in self.away:
            return
        self._mark_away(name)
        self._announce(name, False)
        for ref in self._objects.pods_on(name):
            pod = self._objects.pods[ref]
            if pod.ready:
                self._objects.change_pod(pod, ready=False)
        if self._objects.nodes[name].ready is not None:
            grace = draw(self.behaviour.monitor_grace, self._rng, name)
            self._timeline.add(self._objects.now + grace, "unheard", name, str(self.away[name]))

    def up(self, name: str) -> None:
        """Starts the kubelet again: pods that were to stop are gone, the others start again in place."""
        self.away.pop(name, None)
        self._announce(name, True)
        for ref in self._objects.pods_on(name):
            pod = self._objects.pods[ref]
            if pod.deleting:
                self._end(pod)
            elif not pod.finished and not pod.ready:
                self._start(pod, restart=pod.phase == "Running")

    def not_ready(self, name: str) -> None:
        """Makes the kubelet report without running pods."""
        self._mark_away(name)
        self._tolerate(name)

    def unheard(self, name: str, outage: str) -> None:
        node = self._objects.nodes.get(name)
        if node is None or self.away.get(name) != int(outage):
            return
        self._objects.put_node(node, ready=None)
        self._tolerate(name)

    def given_up(self, name: str, outage: str) -> None:
        """Deletes the pods of a node that stays away. They stay Terminating, since no kubelet stops them."""
        if self.away.get(name) != int(outage):
            return
        for ref in self._objects.pods_on(name):
            pod = self._objects.pods[ref]
            if not pod.stays and not pod.finished:
                self._controllers.delete(pod)

    def started(self, namespace: str, name: str, uid: str) -> None:
        pod = self._objects.pods.get(PodRef(namespace, name))
        if pod is None or pod.uid != uid or pod.deleting or pod.ready or pod.finished:
            return
        if self._runs(pod.node):
            is_ready = uid not in self._objects.never_ready
            self._objects.change_pod(pod, phase="Running", ready=is_ready, unready_since=None)

    def stopped(self, namespace: str, name: str, uid: str) -> None:
        pod = self._objects.pods.get(PodRef(namespace, name))
        if pod is not None and pod.uid == uid and (self._runs(pod.node) or not pod.node):
            self._end(pod)

    def node_gone(self, node: Node) -> None:
        """Removes the node and its pods."""
        self.away.pop(node.name, None)
        self._announce(node.name, False)
        for ref in self._objects.pods_on(node.name):
            self._objects.drop_pod(self._objects.pods[ref])

    def forgotten(self, node: Node, machine: Machine) -> None:
        """Removes the Node object and its pods. The machine lives on."""
        self.unregistered[node.name] = (node, machine)
        for ref in self._objects.pods_on(node.name):
            self._objects.drop_pod(self._objects.pods[ref])

    def register(self, name: str, uid: str) -> bool:
        """Starts the kubelet of a machine without a Node object: it registers a new Node without marks, and a Machine
        without a request. Returns False if there is no such machine."""
        removed = self.unregistered.pop(name, None)
        if removed is None:
            return False
        node, machine = removed
        registered = replace(node, uid=uid, annotations={}, taints=(), unschedulable=False)
        self._objects.put_node(registered)
        self._objects.put_machine(machine, uid=f"machine-{uid}", request=None, work=None, reported=False)
        self._controllers.start_daemons(name)
        return True

    def _announce(self, name: str, up: bool) -> None:
        for listener in self.listeners:
            listener(name, up)

    def _mark_away(self, name: str) -> None:
        self.outages += 1
        self.away[name] = self.outages

    def _tolerate(self, name: str) -> None:
        delay = draw(self.behaviour.toleration, self._rng, name)
        self._timeline.add(self._objects.now + delay, "given-up", name, str(self.away[name]))

    def _runs(self, node: str) -> bool:
        return node in self._objects.nodes and node not in self.away

    def _pod_changed(self, _: PodRef, key: WorkloadKey | None, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            return
        if new.deleting and (old is None or not old.deleting):
            self._stop(new)
        elif new.node and (old is None or not old.node) and not new.finished and not new.deleting:
            self._start(new)

    def _start(self, pod: Pod, restart: bool = False) -> None:
        length = self.behaviour.pod_restart if restart else self.behaviour.pod_start
        delay = draw(length, self._rng, _app_name(pod))
        self._timeline.add(self._objects.now + delay, "started", pod.namespace, pod.name, pod.uid)

    def _stop(self, pod: Pod) -> None:
        delay = min(float(pod.grace_seconds), draw(self.behaviour.pod_stop, self._rng, _app_name(pod)))
        self._timeline.add(self._objects.now + delay, "stopped", pod.namespace, pod.name, pod.uid)

    def _end(self, pod: Pod) -> None:
        """Ends the pod. One with finalizers stays, with its containers stopped."""
        if not pod.finalizers:
            self._objects.drop_pod(pod)
        elif pod.ready:
            self._objects.change_pod(pod, ready=False)


def _app_name(pod: Pod) -> str:
    return app_of(pod)
