"""What room a cluster has for pods that are about to move.

A question is answered from counts in nearly all cases: where each node's free room is cut into places that would take
the largest pod on its way, and there are more places than pods on their way, every one of them finds one, in whatever
order they come. Where the counts do not say so, or a pod minds its neighbours or needs a port of the node, the pods are
laid out on the nodes one by one (`layout.py`).

Placeholders (pods of negative priority) take no room here: whatever lands beside them makes them go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec.structs import replace

from fleet.core.capacity.eligible_nodes import EligibleNodes
from fleet.core.capacity.fit_counts import FitCounts, RoundedSize, rounded_size
from fleet.core.capacity.node_usage import NO_USAGE, NodeUsage
from fleet.core.capacity.topology import TopologyCounts
from fleet.core.capacity.trial_placement import Shortfall, TrialBase, TrialPlacement
from fleet.core.capacity.unplaceable import PodShape, UnplaceablePods
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import ClusterVolumes, PersistentVolume, PersistentVolumeClaim


class ClusterCapacity:
    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._taken: dict[str, NodeUsage] = {}
        """By node, without placeholders."""
        self._placeholders: dict[str, dict[str, Pod]] = {}
        """By node and uid; only where there are some."""
        self._leaving: dict[str, dict[str, Pod]] = {}
        """By node that is drained or about to be: pods that still have to go, by uid."""
        self._unbound: dict[str, Pod] = {}
        self._way: Counter[RoundedSize] = Counter()
        """Pods on their way, by size: those that leave, and those without a node."""
        self._suits: dict[Demand, dict[str, bool]] = {}
        self._places = FitCounts(self._nodes, self._taken, self._open_for)
        self._neighbours = TopologyCounts()
        self._shortages = UnplaceablePods(self._has_room)
        self._short: dict[str, PodShape] = {}
        """By node: why its pods were found to have no place, where no open node has room for one of them."""
        self.volumes = ClusterVolumes()
        self._takers = EligibleNodes(self.volumes)

    def upsert_node(self, node: Node, later: Node | None = None) -> None:
        """`later`: the node as it will be once what passes by itself has passed, if that is not how it is now."""
        self._nodes[node.name] = node
        self._takers.upsert_node(later or node)
        self._neighbours.upsert_node(node)
        self._node_changed(node.name)

    def delete_node(self, name: str) -> None:
        self._nodes.pop(name, None)
        self._neighbours.delete_node(name)
        self._takers.delete_node(name)
        self._node_changed(name)

    def upsert_volume(self, thing: PersistentVolume | PersistentVolumeClaim) -> None:
        self.volumes.upsert(thing)
        self._shortages.forget()

    def delete_volume(self, thing: PersistentVolume | PersistentVolumeClaim) -> None:
        self.volumes.delete(thing)
        self._shortages.forget()

    def upsert_pod(self, before: Pod | None, pod: Pod) -> None:
        if before is not None:
            if _same(before, pod):
                if pod.deleting and not before.deleting and pod.node:
                    self._deleted(pod)
                return
            self.delete_pod(before)
        if pod.finished:
            return
        if pod.node:
            self._take(pod, 1)
            leaving = self._leaving.get(pod.node)
            if leaving is not None and needs_place_elsewhere(pod):
                leaving[pod.uid] = pod
                self._way[rounded_size(pod.requests)] += 1
        elif needs_place_elsewhere(pod) and not pod.deleting and not pod.stuck:
            self._unbound[pod.uid] = pod
            self._way[rounded_size(pod.requests)] += 1

    def _deleted(self, pod: Pod) -> None:
        """It keeps its room until it is gone."""
        if not pod.finished:
            self._neighbours.count_deleting(pod)
            if pod.placeholder:
                self._stand(pod, 1)
            leaving = self._leaving.get(pod.node)
            if leaving is not None and pod.uid in leaving:
                leaving[pod.uid] = pod

    def delete_pod(self, pod: Pod) -> None:
        if pod.finished:
            return
        if pod.node:
            self._take(pod, -1)
            gone = self._leaving.get(pod.node, {}).pop(pod.uid, None)
        else:
            gone = self._unbound.pop(pod.uid, None)
        if gone is not None:
            self._left(gone)

    def start_drain(self, name: str, pods: Iterable[Pod]) -> None:
        """The node is to be drained: it is no place any more, and its pods are on their way."""
        if name not in self._leaving:
            self._leaving[name] = {pod.uid: pod for pod in pods if needs_place_elsewhere(pod)}
            self._way.update(rounded_size(pod.requests) for pod in self._leaving[name].values())
            self._changed(name)

    def end_drain(self, name: str) -> bool:
        """Its drain is over. Answers whether it was one."""
        pods = self._leaving.pop(name, None)
        if pods is None:
            return False
        for pod in pods.values():
            self._left(pod)
        self._changed(name)
        return True

    def shortfall(self, name: str, pods: Sequence[Pod], patient: Collection[str] = ()) -> Shortfall | None:
        """Which of these pods, all of the node, finds no place elsewhere if it is drained now.

        `patient`: by uid, pods that may wait for this node where no other could ever take them. Where one could once it
        is back in service, that is waited for.
        """
        self._short.pop(name, None)
        going = [
            pod
            for pod in pods
            if needs_place_elsewhere(pod)
            and not (pod.uid in patient and self._takers.is_only_node(name, pod))
        ]
        if not going:
            return None
        if self._shortages and (known := self._known_lack(name, going)):
            return known
        found = self._find_lack(name, pods, going, patient)
        if found is not None and not (found.apart or found.ports or found.volumes):
            self._note(name, found)
        return found

    def later(self, pod: Pod, name: str) -> bool:
        """The node would have room for the pod once it is drained and back in service; neighbours are not asked."""
        node, demand = self._nodes.get(name), Demand.of(pod, self.volumes)
        if node is None or not demand.could_fit(node):
            return False
        taken = (self._taken.get(name) or NO_USAGE).copied()
        for each in self._leaving.get(name, {}).values():
            taken.take(each, -1)
        return taken.fits(pod, node.allocatable)

    def eased(self, shortage: PodShape) -> bool:
        """A node could have room by now for what `shortage` told of."""
        return self._shortages.eased(shortage)

    def lacking_shape(self, name: str) -> PodShape | None:
        """Why `lack` has just found no place for a pod of the node, where that lasts until another node gains room.
        None: anything may change it."""
        return self._short.get(name)

    def _known_lack(self, name: str, going: Iterable[Pod]) -> Shortfall | None:
        for pod in going:
            shortage = PodShape(Demand.of(pod, self.volumes), pod.requests)
            if lack := self._shortages.shortfall(shortage):
                self._short[name] = shortage
                return replace(lack, pod=pod)
        return None

    def _note(self, name: str, found: Shortfall) -> None:
        shortage = PodShape(Demand.of(found.pod, self.volumes), found.pod.requests)
        if not any(self._has_room(each, shortage) for each in self._nodes):
            self._shortages.note(shortage, found)
            self._short[name] = shortage

    def _has_room(self, name: str, shortage: PodShape) -> bool:
        if not self._open_for(name, shortage.demand):
            return False
        return (self._taken.get(name) or NO_USAGE).holds(shortage.asked, self._nodes[name].allocatable)

    def _find_lack(
        self, name: str, pods: Sequence[Pod], going: Sequence[Pod], patient: Collection[str]
    ) -> Shortfall | None:
        way: Iterator[Pod] = self._on_way()
        if self._plenty(name, going):
            # Counts say that there is room for all; what is left to ask is whether neighbours let them come.
            if not any(self._picky(pod) for pod in going):
                return None
            way = (pod for pod in way if self._picky(pod))
        return self._layout(name, pods, patient).shortfall(list(way), going)

    def _layout(self, leaver: str, leavers: Sequence[Pod], patient: Collection[str]) -> TrialPlacement:
        rest = TrialBase(self._nodes, self._taken, self._placeholders, self._leaving, self._neighbours)
        return TrialPlacement(rest, leaver, leavers, self._open_for, self.volumes, patient)

    def pinned(self, name: str, pods: Iterable[Pod]) -> list[Pod]:
        """Returns the pods that no node but this one could take, by node selector, affinity, volumes, lasting taints and
        size."""
        return [pod for pod in pods if needs_place_elsewhere(pod) and self._takers.is_only_node(name, pod)]

    def tied_to_node(self, name: str, pods: Iterable[Pod]) -> list[Pod]:
        """Returns those that are pinned, and those that the distance which they keep from others leaves no other node."""
        return [
            pod
            for pod in pods
            if needs_place_elsewhere(pod)
            and (
                self._takers.is_only_node(name, pod)
                or (
                    pod.apart
                    and self._layout(name, [pod], {pod.uid}).must_wait(self._others_on_way(pod), pod)
                )
            )
        ]

    def _on_way(self) -> Iterator[Pod]:
        yield from self._unbound.values()
        for pods in self._leaving.values():
            yield from pods.values()

    def _others_on_way(self, pod: Pod) -> list[Pod]:
        """All on their way but this one, which is among them while its node is drained."""
        return [each for each in self._on_way() if each.uid != pod.uid]

    def _picky(self, pod: Pod) -> bool:
        """More than room decides where it can be."""
        return bool(
            pod.ports or pod.apart or pod.near or not pod.preempts or self._neighbours.check(pod).constrained
        )

    def _plenty(self, name: str, going: Sequence[Pod]) -> bool:
        sizes = [*self._way, *{rounded_size(pod.requests) for pod in going}]
        cpu = max(size[0] for size in sizes)
        memory = max(size[1] for size in sizes)
        storage = max(size[2] for size in sizes)
        most: dict[str, int] = {}
        for size in sizes:
            for each, amount in size[3]:
                most[each] = max(amount, most.get(each, 0))
        wanted = self._way.total() + len(going)
        classes = {
            (Demand.of(pod, self.volumes), tuple(each for each, _ in pod.requests.others)) for pod in going
        }
        return all(
            self._places.has_at_least(
                demand, (cpu, memory, storage, tuple((each, most[each]) for each in names)), wanted, name
            )
            for demand, names in classes
        )

    def _open_for(self, name: str, demand: Demand) -> bool:
        node = self._nodes.get(name)
        if node is None or name in self._leaving:
            return False
        known = self._suits.setdefault(demand, {})
        if name not in known:
            known[name] = demand.fits_now(node)
        return known[name]

    def _take(self, pod: Pod, sign: int) -> None:
        self._neighbours.count_pod(pod, sign)
        if pod.placeholder:
            self._stand(pod, sign)
            return
        taken = self._taken.get(pod.node)
        if taken is None:
            taken = self._taken[pod.node] = NodeUsage()
        taken.take(pod, sign)
        if sign < 0:
            self._shortages.gain(pod.node)
        self._places.changed(pod.node)

    def _stand(self, pod: Pod, sign: int) -> None:
        there = self._placeholders.setdefault(pod.node, {})
        if sign > 0:
            there[pod.uid] = pod
        else:
            there.pop(pod.uid, None)
            if not there:
                del self._placeholders[pod.node]

    def _left(self, pod: Pod) -> None:
        size = rounded_size(pod.requests)
        self._way[size] -= 1
        if not self._way[size]:
            del self._way[size]

    def _node_changed(self, name: str) -> None:
        for known in self._suits.values():
            known.pop(name, None)
        self._changed(name)

    def _changed(self, name: str) -> None:
        self._shortages.gain(name)
        self._places.changed(name)


def is_recreated_elsewhere(pod: Pod) -> bool:
    """It comes back elsewhere when it is evicted: what has no controller is lost, not moved."""
    return pod.owner is not None and not pod.stays and not pod.finished


def needs_place_elsewhere(pod: Pod) -> bool:
    """It needs a place elsewhere. A placeholder needs none: it keeps room free, and gives it up."""
    return pod.owner is not None and pod.priority >= 0 and not pod.stays and not pod.finished


def _same(before: Pod, pod: Pod) -> bool:
    """Nothing has changed that matters to the room of others."""
    return (
        before.node == pod.node
        and before.phase == pod.phase
        and (before.deleting == pod.deleting or bool(pod.node))
        and before.stuck == pod.stuck
        and before.requests == pod.requests
        and before.labels == pod.labels
    )
