"""The DaemonSet controller: keeps a pod of each DaemonSet on the nodes that the DaemonSet selects, as labels and
taints change."""

from __future__ import annotations

from fleet.core.objects.daemonset import DaemonSetFit
from fleet.core.objects.demand import STATE
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.model.control_plane.controllers import Controllers
from fleet.model.objects import Objects, WorkloadKey, controller_of


class Daemons:
    """Handles DaemonSets whose template is known. Pods of others stay where a snapshot shows them."""

    def __init__(self, objects: Objects, controllers: Controllers) -> None:
        self._objects = objects
        self._controllers = controllers
        daemonsets = (workload for workload in objects.workloads.values() if workload.daemon is not None)
        self._keys = {_key(daemonset): None for daemonset in daemonsets}
        objects.node_listeners.append(self._node_changed)

    def put(self, daemonset: Workload) -> None:
        """Adds a DaemonSet, or changes the template of one that is there."""
        self._objects.put_workload(daemonset)
        self._keys[_key(daemonset)] = None
        for node in list(self._objects.nodes.values()):
            self._settle(daemonset, node)

    def drop(self, daemonset: Workload) -> None:
        """Removes the DaemonSet and its pods."""
        self._objects.drop_workload(daemonset)
        key = _key(daemonset)
        self._keys.pop(key, None)
        for pod in [pod for pod in self._objects.pods.values() if controller_of(pod) == key]:
            self._controllers.delete(pod)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None or (old is not None and _relevant_properties(old) == _relevant_properties(new)):
            return
        for key in self._keys:
            self._settle(self._objects.workloads[key], new)

    def _settle(self, daemonset: Workload, node: Node) -> None:
        if daemonset.daemon is None:
            return
        place, pods = daemonset.daemon.place(node), self._pods(daemonset, node)
        if place is DaemonSetFit.RUN and not pods:
            self._controllers.start_daemon(_key(daemonset), node.name)
        elif place is DaemonSetFit.NONE:
            for pod in pods:
                self._controllers.delete(pod)

    def _pods(self, daemonset: Workload, node: Node) -> list[Pod]:
        pods = (self._objects.pods[ref] for ref in self._objects.pods_on(node.name))
        return [pod for pod in pods if controller_of(pod) == _key(daemonset)]


def _relevant_properties(node: Node) -> tuple[object, ...]:
    """Returns the properties of a node on which DaemonSets depend, without the taints that all of them tolerate or that keep
    no pod away."""
    taints = (taint for taint in node.taints if taint.effect != "PreferNoSchedule")
    return node.labels, *(taint for taint in taints if not taint.key.startswith(STATE))


def _key(workload: Workload) -> WorkloadKey:
    return WorkloadKey(workload.kind, workload.namespace, workload.name)
