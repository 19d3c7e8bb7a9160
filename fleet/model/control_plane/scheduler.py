"""The scheduler: binds a pod to a node that fits; nodes without a PreferNoSchedule taint come first, the emptiest first.

Nodes are kept in a heap per kind of demand (node selector, affinity, volumes and tolerations), so that placing a pod
looks at a few nodes, not at all. Room that is taken leaves an entry too low; it is corrected when it is next looked at.
"""

from __future__ import annotations

from heapq import heappop, heappush

from fleet.core.capacity.topology import PlacementCheck, TopologyCounts
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node, Resources
from fleet.core.objects.pod import Pod, PodRef
from fleet.model.control_plane.node_shelf import NodeRoom, NodeShelf
from fleet.model.objects import Objects, WorkloadKey, controller_of

CANDIDATES = 4
"""The number of nodes that are tried to find one without a pod of the same workload."""
TRIES = 32
"""The number of nodes that are tried, emptiest first, before all nodes are tried."""


class Scheduler:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._rooms: dict[str, NodeRoom] = {}
        self._shelves: dict[Demand, NodeShelf] = {}
        self._spread: dict[WorkloadKey, dict[str, int]] = {}
        self._topology = TopologyCounts()
        self._placeholders: dict[str, dict[PodRef, Pod]] = {}
        """Pods of negative priority, by node. They are preempted by others."""
        self.gained: dict[str, None] = {}
        """Nodes with new capacity for waiting pods, until `settle`."""
        self._queued = 0
        self._arrivals = 0
        for node in objects.nodes.values():
            self._rooms[node.name] = NodeRoom(node.allocatable)
            self._topology.upsert_node(node)
        for pod in objects.pods.values():
            if _occupies(pod):
                self._count_pod(pod, controller_of(pod), 1)
        for pod in objects.pods.values():
            if not pod.node and not pod.deleting and not pod.finished and self._may_be_bound(pod):
                self.wait(pod)
        if self._queued:
            self.gained = dict.fromkeys(objects.nodes)
        objects.pod_listeners.append(self._pod_changed)
        objects.node_listeners.append(self._node_changed)

    def choose(self, pod: Pod) -> str:
        """Returns the node that the pod would be bound to now; empty if the pod fits nowhere."""
        if pod.stuck == "gated":
            return ""
        shelf = self._shelf(pod)
        if pod.requests in shelf.full:
            return ""
        check = self._topology.check(pod)
        chosen = self._best(shelf, pod, check) or self._best_of_all(shelf, pod, check)
        if not chosen and not self._has_further_rules(pod):
            shelf.full.add(pod.requests)
        return chosen

    def wait(self, pod: Pod) -> None:
        """Queues the pod until capacity appears. A pod with a scheduling gate is never bound."""
        if pod.stuck == "gated":
            return
        self._arrivals += 1
        self._queued += 1
        shelf = self._shelf(pod)
        shelf.waiting.setdefault(pod.requests, {})[pod.ref] = self._arrivals
        shelf.picky = shelf.picky or self._has_further_rules(pod)

    def victims(self, pod: Pod) -> list[Pod]:
        """Returns the placeholder pods of one node to preempt for a pod that fits nowhere."""
        if not self._placeholders or not pod.preempts or pod.placeholder or pod.stuck == "gated":
            return []
        demand, check = Demand.of(pod, self._objects.bound), self._topology.check(pod)
        for name, on_node in self._placeholders.items():
            node = self._objects.nodes.get(name)
            if node is not None and demand.fits_now(node):
                placeholders = sorted(
                    on_node.values(), key=lambda placeholder: (placeholder.priority, placeholder.ref)
                )
                if going := self._to_preempt(pod, node, placeholders, check):
                    return going
        return []

    def _to_preempt(self, pod: Pod, node: Node, placeholders: list[Pod], check: PlacementCheck) -> list[Pod]:
        """Returns those of the pods that must leave the node for the pod to fit; none if all of them are not enough."""
        usage = self._rooms[node.name].copied()
        going: list[Pod] = []
        try:
            for placeholder in placeholders:
                usage.take(placeholder, -1)
                self._topology.count_pod(placeholder, -1)
                going.append(placeholder)
                if usage.fits(pod, node.allocatable) and check.allows(node):
                    return going
            return []
        finally:
            for placeholder in going:
                self._topology.count_pod(placeholder, 1)

    def _may_be_bound(self, pod: Pod) -> bool:
        """Returns whether the pod may be bound. A pod for which the real scheduler has found no node, though this one finds
        a node, waits for something that is not known here."""
        return pod.stuck != "unschedulable" or not self.choose(pod)

    def _has_further_rules(self, pod: Pod) -> bool:
        """Returns whether rules besides capacity decide where the pod can run."""
        return bool(pod.ports or self._topology.check(pod).constrained)

    def settle(self) -> None:
        """Binds waiting pods to the capacity that has appeared."""
        gained, self.gained = self.gained, {}
        for shelf in sorted(self._shelves.values(), key=self._only_placeholders):
            if not shelf.waiting:
                continue
            rooms = [self._rooms[name] for name in gained if name in shelf.listed]
            for size in sorted(
                shelf.waiting, key=lambda waiting_size: next(iter(shelf.waiting[waiting_size].values()))
            ):
                if shelf.picky or any(room.holds(size, room.size) for room in rooms):
                    self._bind_waiting(shelf, size)

    def _only_placeholders(self, shelf: NodeShelf) -> bool:
        """Returns whether only placeholder pods wait on the shelf. Such shelves come after all others."""
        if not self._placeholders:
            return False
        waiting = (ref for refs in shelf.waiting.values() for ref in refs)
        return all(self._objects.pods[ref].placeholder for ref in waiting)

    def _bind_waiting(self, shelf: NodeShelf, size: Resources) -> None:
        for ref in list(shelf.waiting[size]):
            pod = self._objects.pods[ref]
            node = self.choose(pod)
            if node:
                self._objects.change_pod(pod, node=node, stuck="")
            elif not shelf.picky:
                return

    def _best(self, shelf: NodeShelf, pod: Pod, check: PlacementCheck) -> str:
        """Returns the emptiest node that fits, preferably one of the first few that has no pod of the same workload."""
        key = controller_of(pod)
        others = self._spread.get(key, {}) if key is not None else {}
        looked: list[tuple[int, float, str]] = []
        first = chosen = ""
        fitting = 0
        dislikes = 0
        while shelf.heap and len(looked) < TRIES and fitting < CANDIDATES:
            entry = heappop(shelf.heap)
            name = entry[2]
            if shelf.listed.get(name) != entry[:2] or (looked and looked[-1] == entry):
                continue
            room = self._rooms[name]
            if entry[1] < room.level:
                shelf.list(name, entry[0], room.level)
                continue
            looked.append(entry)
            if first and entry[0] > dislikes:
                break
            if not self._fits(pod, name, check):
                continue
            fitting += 1
            if not first:
                first, dislikes = name, entry[0]
            if name not in others:
                chosen = name
                break
        for entry in looked:
            heappush(shelf.heap, entry)
        return chosen or first

    def _best_of_all(self, shelf: NodeShelf, pod: Pod, check: PlacementCheck) -> str:
        """Returns the best of all nodes."""
        best = min(
            (
                (entry[0], self._rooms[name].level, name)
                for name, entry in shelf.listed.items()
                if self._fits(pod, name, check)
            ),
            default=None,
        )
        return best[2] if best else ""

    def _fits(self, pod: Pod, name: str, check: PlacementCheck) -> bool:
        room = self._rooms[name]
        return room.fits(pod, room.size) and (
            not check.constrained or check.allows(self._objects.nodes[name])
        )

    def _shelf(self, pod: Pod) -> NodeShelf:
        demand = Demand.of(pod, self._objects.bound)
        shelf = self._shelves.get(demand)
        if shelf is None:
            shelf = self._shelves[demand] = NodeShelf(demand)
            for node in self._objects.nodes.values():
                if demand.fits_now(node):
                    shelf.list(node.name, demand.dislikes(node), self._rooms[node.name].level)
        return shelf

    def _count_pod(self, pod: Pod, key: WorkloadKey | None, sign: int) -> None:
        room = self._rooms.get(pod.node)
        if room is not None:
            room.take(pod, sign)
        self._topology.count_pod(pod, sign)
        if pod.placeholder:
            placeholders = self._placeholders.setdefault(pod.node, {})
            if sign > 0:
                placeholders[pod.ref] = pod
            else:
                placeholders.pop(pod.ref, None)
                if not placeholders:
                    del self._placeholders[pod.node]
        if key is not None:
            by_node = self._spread.setdefault(key, {})
            count = by_node.get(pod.node, 0) + sign
            if count:
                by_node[pod.node] = count
            else:
                del by_node[pod.node]

    def _pod_changed(self, ref: PodRef, key: WorkloadKey | None, old: Pod | None, new: Pod | None) -> None:
        before, after = old is not None and _occupies(old), new is not None and _occupies(new)
        if before and after and old is not None and new is not None and new.deleting and not old.deleting:
            # Its room is still taken; a spread counts it no more.
            self._topology.count_deleting(new)
            if self._queued:
                self.gained[new.node] = None
        elif after and not before:
            assert new is not None
            self._count_pod(new, key, 1)
        elif before and not after:
            assert old is not None
            self._count_pod(old, key, -1)
            if old.node in self._rooms:
                self._room_grew(old.node)
        elif old is not None and new is not None and before and old.labels != new.labels:
            self._topology.count_pod(old, -1)
            self._topology.count_pod(new, 1)
        if old is not None and not old.node and (new is None or new.node or new.deleting):
            self._drop_waiting(ref, old)

    def _measure(self, node: Node) -> NodeRoom:
        room = self._rooms[node.name] = NodeRoom(node.allocatable)
        for ref in self._objects.pods_on(node.name):
            pod = self._objects.pods[ref]
            if _occupies(pod):
                room.take(pod)
        return room

    def _drop_waiting(self, ref: PodRef, pod: Pod) -> None:
        waiting = self._shelf(pod).waiting
        group = waiting.get(pod.requests, {})
        self._queued -= group.pop(ref, None) is not None
        if not group:
            waiting.pop(pod.requests, None)

    def _room_grew(self, name: str) -> None:
        room = self._rooms[name]
        if self._queued:
            self.gained[name] = None
        for shelf in self._shelves.values():
            entry = shelf.listed.get(name)
            if entry is None:
                continue
            if room.level < entry[1]:
                shelf.list(name, entry[0], room.level)
            if shelf.full:
                shelf.full = {full_size for full_size in shelf.full if not room.holds(full_size, room.size)}

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            del self._rooms[old.name]
            self._topology.delete_node(old.name)
            self.gained.pop(old.name, None)
            for shelf in self._shelves.values():
                shelf.listed.pop(old.name, None)
            return
        self._topology.upsert_node(new)
        room = self._rooms.get(new.name) or self._measure(new)
        if room.size != new.allocatable:
            room.size = new.allocatable
            room.measure()
        for shelf in self._shelves.values():
            if shelf.demand.fits_now(new):
                entry = (shelf.demand.dislikes(new), room.level)
                if shelf.listed.get(new.name) != entry:
                    shelf.list(new.name, *entry)
            else:
                shelf.listed.pop(new.name, None)
        self._room_grew(new.name)


def _occupies(pod: Pod) -> bool:
    return bool(pod.node) and not pod.finished
