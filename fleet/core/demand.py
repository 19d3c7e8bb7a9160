"""What a pod asks of a node besides room, as the scheduler asks it."""

from __future__ import annotations

from typing import NamedTuple

from fleet.core.node import Node, Taint, Toleration
from fleet.core.pod import Pod

UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")


class Demand(NamedTuple):
    selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]

    @classmethod
    def of(cls, pod: Pod) -> Demand:
        return cls(tuple(pod.node_selector.items()), pod.tolerations)

    def tolerates(self, taint: Taint) -> bool:
        return any(toleration.tolerates(taint) for toleration in self.tolerations)

    def suits(self, node: Node) -> bool:
        if node.ready is not True or node.deleting:
            return False
        if node.unschedulable and not self.tolerates(UNSCHEDULABLE):
            return False
        if any(node.labels.get(key) != value for key, value in self.selector):
            return False
        return all(taint.effect == "PreferNoSchedule" or self.tolerates(taint) for taint in node.taints)

    def dislikes(self, node: Node) -> int:
        """How many PreferNoSchedule taints stand against the node."""
        return sum(taint.effect == "PreferNoSchedule" and not self.tolerates(taint) for taint in node.taints)
