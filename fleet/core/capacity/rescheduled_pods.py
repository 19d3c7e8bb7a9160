"""The pods of a cluster that are to be rescheduled: those of nodes that are drained, and those without a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from fleet.core.capacity.fit_counts import RoundedSize, rounded_size
from fleet.core.objects.pod import Pod


class RescheduledPods:
    """The pods of one cluster that are to be rescheduled; updated with each change of a pod and each drain."""

    def __init__(self) -> None:
        self.leaving: dict[str, dict[str, Pod]] = {}
        """The pods that still have to leave each node that is drained or about to be drained, by node and uid."""
        self._unbound: dict[str, Pod] = {}
        """Pods that wait for the scheduler, by uid."""
        self.sizes: Counter[RoundedSize] = Counter()
        """Number of these pods, by size."""

    def __iter__(self) -> Iterator[Pod]:
        """Yields the pods without a node, then those of nodes that are drained."""
        yield from self._unbound.values()
        for pods in self.leaving.values():
            yield from pods.values()

    def others(self, pod: Pod) -> list[Pod]:
        """Returns all of these pods except this one, which is one of them while its node is drained."""
        return [other for other in self if other.uid != pod.uid]

    def add(self, pod: Pod) -> None:
        """Records a pod that was added. A pod that need not be rescheduled is left out."""
        if pod.node:
            places = self.leaving.get(pod.node)
        else:
            places = self._unbound if not pod.deleting and not pod.stuck else None
        # Most pods come to a node that is not drained.
        if places is not None and needs_place_elsewhere(pod):
            places[pod.uid] = pod
            self.sizes[rounded_size(pod.requests)] += 1

    def deletion_began(self, pod: Pod) -> None:
        """Records that the pod of a node is being deleted."""
        leaving = self.leaving.get(pod.node)
        if leaving is not None and pod.uid in leaving:
            leaving[pod.uid] = pod

    def remove(self, pod: Pod) -> None:
        """Records that a pod is gone; `pod` is its last state."""
        gone = (self.leaving.get(pod.node, {}) if pod.node else self._unbound).pop(pod.uid, None)
        if gone is not None:
            self._uncount(gone)

    def start_drain(self, node: str, pods: Iterable[Pod]) -> bool:
        """Adds those of the node's pods that need a place elsewhere. Returns whether the drain is new."""
        if node in self.leaving:
            return False
        self.leaving[node] = {pod.uid: pod for pod in pods if needs_place_elsewhere(pod)}
        self.sizes.update(rounded_size(pod.requests) for pod in self.leaving[node].values())
        return True

    def end_drain(self, node: str) -> bool:
        """Removes the node's pods. Returns whether there was a drain."""
        pods = self.leaving.pop(node, None)
        if pods is None:
            return False
        for pod in pods.values():
            self._uncount(pod)
        return True

    def _uncount(self, pod: Pod) -> None:
        size = rounded_size(pod.requests)
        self.sizes[size] -= 1
        if not self.sizes[size]:
            del self.sizes[size]


def needs_place_elsewhere(pod: Pod) -> bool:
    """Returns whether the pod needs a place on another node after its eviction. A placeholder needs none: it only keeps
    capacity free for other pods."""
    return pod.owner is not None and pod.priority >= 0 and not pod.stays and not pod.finished
