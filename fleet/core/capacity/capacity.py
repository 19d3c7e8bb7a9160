"""The free capacity of a cluster for pods that are about to be rescheduled.

Counts answer nearly all questions: each node's free capacity is cut into places of the size of the largest pod to be
rescheduled, and if there are at least as many places as such pods, every pod finds a place, whatever their order. If
the counts do not show that, or a pod has affinity rules or host ports, the pods are placed on the nodes one by one
(`trial_placement.py`).

Placeholders (pods of negative priority) take no capacity here: they are preempted by whatever lands beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from fleet.core.capacity.eligible_nodes import EligibleNodes
from fleet.core.capacity.fit_counts import FitCounts, rounded_size
from fleet.core.capacity.node_usage import NO_USAGE, NodeUsage
from fleet.core.capacity.rescheduled_pods import RescheduledPods, needs_place_elsewhere
from fleet.core.capacity.topology import TopologyCounts
from fleet.core.capacity.trial_placement import Shortfall, TrialBase, TrialPlacement
from fleet.core.capacity.unplaceable import PodShape, UnplaceablePods
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import ClusterVolumes, PersistentVolume, PersistentVolumeClaim


class ClusterCapacity:
    """The nodes and pods of one cluster, and the pods that are to be rescheduled; updated with each change."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._usage: dict[str, NodeUsage] = {}
        """Usage by node, without placeholders."""
        self._placeholders: dict[str, dict[str, Pod]] = {}
        """Placeholders by node and uid; nodes without placeholders are left out."""
        self._rescheduled = RescheduledPods()
        self._fits: dict[Demand, dict[str, bool]] = {}
        """The results of `fits_now` that were computed so far, by demand and node."""
        self._fit_counts = FitCounts(self._nodes, self._usage, self._open_for)
        self._topology = TopologyCounts()
        self._unplaceable = UnplaceablePods(self._has_room)
        self._lacking: dict[str, PodShape] = {}
        """The shape of the pod for which `shortfall` found no place, if no open node has room for that shape; by node."""
        self.volumes = ClusterVolumes()
        self._eligible = EligibleNodes(self.volumes)

    def upsert_node(self, node: Node, later: Node | None = None) -> None:
        """Records a node that was added or changed. `later` is the node as it will be without the taints that pass by
        themselves; None if the node has none of them."""
        self._nodes[node.name] = node
        self._eligible.upsert_node(later or node)
        self._topology.upsert_node(node)
        self._node_changed(node.name)

    def delete_node(self, name: str) -> None:
        """Records that the node is gone."""
        self._nodes.pop(name, None)
        self._topology.delete_node(name)
        self._eligible.delete_node(name)
        self._node_changed(name)

    def upsert_volume(self, obj: PersistentVolume | PersistentVolumeClaim) -> None:
        """Records a volume or claim that was added or changed."""
        self.volumes.upsert(obj)
        self._unplaceable.forget()

    def delete_volume(self, obj: PersistentVolume | PersistentVolumeClaim) -> None:
        """Records that a volume or claim is gone."""
        self.volumes.delete(obj)
        self._unplaceable.forget()

    def upsert_pod(self, before: Pod | None, pod: Pod) -> None:
        """Records a pod that was added or changed; `before` is its last state, None if the pod was not known."""
        if before is not None:
            if _unchanged(before, pod):
                if pod.deleting and not before.deleting and pod.node:
                    self._deletion_began(pod)
                return
            self.delete_pod(before)
        if pod.finished:
            return
        if pod.node:
            self._count_usage(pod, 1)
        self._rescheduled.add(pod)

    def _deletion_began(self, pod: Pod) -> None:
        """Records that the pod is being deleted. A pod uses its node's capacity until the pod is gone."""
        if not pod.finished:
            self._topology.count_deleting(pod)
            if pod.placeholder:
                self._count_placeholder(pod, 1)
            self._rescheduled.deletion_began(pod)

    def delete_pod(self, pod: Pod) -> None:
        """Records that a pod is gone; `pod` is its last state."""
        if pod.finished:
            return
        if pod.node:
            self._count_usage(pod, -1)
        self._rescheduled.remove(pod)

    def start_drain(self, name: str, pods: Iterable[Pod]) -> None:
        """Records that the node is to be drained: the node takes no more pods, and its own pods are to be
        rescheduled."""
        if self._rescheduled.start_drain(name, pods):
            self._changed(name)

    def end_drain(self, name: str) -> bool:
        """Records that the node's drain is over; returns whether there was a drain."""
        ended = self._rescheduled.end_drain(name)
        if ended:
            self._changed(name)
        return ended

    def shortfall(self, name: str, pods: Sequence[Pod], may_wait: Collection[str] = ()) -> Shortfall | None:
        """Returns the shortfall of the first of these pods, all of the node, that finds no place on another node if the
        node is drained now; None if all find a place.

        `may_wait`: uids of pods that may wait for this node if no other node could ever take them. If another node
        could take such a pod once that node is back in service, the pod counts as a shortfall until then.
        """
        self._lacking.pop(name, None)
        going = [
            pod
            for pod in pods
            if needs_place_elsewhere(pod)
            and not (pod.uid in may_wait and self._eligible.is_only_node(name, pod))
        ]
        if not going:
            return None
        if self._unplaceable and (noted := self._known_shortfall(name, going)):
            return noted
        shortfall = self._find_shortfall(name, pods, going, may_wait)
        if shortfall is not None and not (shortfall.apart or shortfall.ports or shortfall.volumes):
            self._note_shortfall(name, shortfall)
        return shortfall

    def would_fit_after_drain(self, pod: Pod, name: str) -> bool:
        """Returns whether the node would have room for the pod after its drain, once it is back in service.

        Affinity rules are not checked.
        """
        node, demand = self._nodes.get(name), Demand.of(pod, self.volumes)
        if node is None or not demand.could_fit(node):
            return False
        usage = (self._usage.get(name) or NO_USAGE).copied()
        for leaving_pod in self._rescheduled.leaving.get(name, {}).values():
            usage.take(leaving_pod, -1)
        return usage.fits(pod, node.allocatable)

    def may_fit_now(self, shape: PodShape) -> bool:
        """Returns whether a node may have gained room for a pod of this shape since the shape was found to fit
        nowhere."""
        return self._unplaceable.may_fit_now(shape)

    def lacking_shape(self, name: str) -> PodShape | None:
        """Returns the pod shape for which `shortfall` has just found no place, if that stays so until a node gains
        capacity. None if other changes may change the answer too.
        """
        return self._lacking.get(name)

    def _known_shortfall(self, name: str, going: Iterable[Pod]) -> Shortfall | None:
        for pod in going:
            shape = PodShape(Demand.of(pod, self.volumes), pod.requests)
            if shortfall := self._unplaceable.shortfall(shape):
                self._lacking[name] = shape
                return replace(shortfall, pod=pod)
        return None

    def _note_shortfall(self, name: str, shortfall: Shortfall) -> None:
        shape = PodShape(Demand.of(shortfall.pod, self.volumes), shortfall.pod.requests)
        if not any(self._has_room(node, shape) for node in self._nodes):
            self._unplaceable.note(shape, shortfall)
            self._lacking[name] = shape

    def _has_room(self, name: str, shape: PodShape) -> bool:
        if not self._open_for(name, shape.demand):
            return False
        return (self._usage.get(name) or NO_USAGE).holds(shape.requests, self._nodes[name].allocatable)

    def _find_shortfall(
        self, name: str, pods: Sequence[Pod], going: Sequence[Pod], may_wait: Collection[str]
    ) -> Shortfall | None:
        rescheduled: Iterable[Pod] = self._rescheduled
        if self._fits_all_by_counts(name, going):
            # By the counts there is room for all pods; only affinity rules can still keep a pod from the nodes.
            if not any(self._has_placement_rules(pod) for pod in going):
                return None
            rescheduled = (pod for pod in rescheduled if self._has_placement_rules(pod))
        return self._trial(name, pods, may_wait).shortfall(list(rescheduled), going)

    def _trial(self, drained: str, drained_pods: Sequence[Pod], may_wait: Collection[str]) -> TrialPlacement:
        base = TrialBase(
            self._nodes, self._usage, self._placeholders, self._rescheduled.leaving, self._topology
        )
        return TrialPlacement(base, drained, drained_pods, self._open_for, self.volumes, may_wait)

    def pinned(self, name: str, pods: Iterable[Pod]) -> list[Pod]:
        """Returns the pods that no other node than this one could ever take, by node selector, affinity, volumes,
        lasting taints and size."""
        return [pod for pod in pods if needs_place_elsewhere(pod) and self._eligible.is_only_node(name, pod)]

    def tied_to_node(self, name: str, pods: Iterable[Pod]) -> list[Pod]:
        """Returns the pinned pods, and the pods for which anti-affinity or spread rules leave no other node."""
        return [
            pod
            for pod in pods
            if needs_place_elsewhere(pod)
            and (
                self._eligible.is_only_node(name, pod)
                or (
                    pod.apart
                    and self._trial(name, [pod], {pod.uid}).must_wait(self._rescheduled.others(pod), pod)
                )
            )
        ]

    def _has_placement_rules(self, pod: Pod) -> bool:
        """Returns whether more than free capacity decides where the pod can run."""
        return bool(
            pod.ports or pod.apart or pod.near or not pod.preempts or self._topology.check(pod).constrained
        )

    def _fits_all_by_counts(self, name: str, going: Sequence[Pod]) -> bool:
        """Returns whether by the counts all pods to be rescheduled and the pods `going` of the node fit on other
        nodes."""
        sizes = [*self._rescheduled.sizes, *map(rounded_size, {pod.requests for pod in going})]
        cpu = max(size[0] for size in sizes)
        memory = max(size[1] for size in sizes)
        storage = max(size[2] for size in sizes)
        largest: dict[str, int] = {}
        for size in sizes:
            for resource, amount in size[3]:
                largest[resource] = max(amount, largest.get(resource, 0))
        wanted = self._rescheduled.sizes.total() + len(going)
        classes = {
            (Demand.of(pod, self.volumes), tuple(resource for resource, _ in pod.requests.others))
            for pod in going
        }
        return all(
            self._fit_counts.has_at_least(
                demand,
                (cpu, memory, storage, tuple((resource, largest[resource]) for resource in names)),
                wanted,
                name,
            )
            for demand, names in classes
        )

    def _open_for(self, name: str, demand: Demand) -> bool:
        """Returns whether the node fits the demand now and is not drained."""
        node = self._nodes.get(name)
        if node is None or name in self._rescheduled.leaving:
            return False
        fits = self._fits.setdefault(demand, {})
        if name not in fits:
            fits[name] = demand.fits_now(node)
        return fits[name]

    def _count_usage(self, pod: Pod, sign: int) -> None:
        self._topology.count_pod(pod, sign)
        if pod.placeholder:
            self._count_placeholder(pod, sign)
            return
        usage = self._usage.get(pod.node)
        if usage is None:
            usage = self._usage[pod.node] = NodeUsage()
        usage.take(pod, sign)
        if sign < 0:
            self._unplaceable.gain(pod.node)
        self._fit_counts.changed(pod.node)

    def _count_placeholder(self, pod: Pod, sign: int) -> None:
        on_node = self._placeholders.setdefault(pod.node, {})
        if sign > 0:
            on_node[pod.uid] = pod
        else:
            on_node.pop(pod.uid, None)
            if not on_node:
                del self._placeholders[pod.node]

    def _node_changed(self, name: str) -> None:
        for by_node in self._fits.values():
            by_node.pop(name, None)
        self._changed(name)

    def _changed(self, name: str) -> None:
        self._unplaceable.gain(name)
        self._fit_counts.changed(name)


def _unchanged(before: Pod, pod: Pod) -> bool:
    """Returns whether nothing has changed in the pod that affects the capacity for other pods."""
    return (
        before.node == pod.node
        and (before.phase == pod.phase or before.finished == pod.finished)
        and (before.deleting == pod.deleting or bool(pod.node))
        and before.stuck == pod.stuck
        and (before.requests is pod.requests or before.requests == pod.requests)
        and (before.labels is pod.labels or before.labels == pod.labels)
    )
