"""The nodes that fit one kind of demand, in the order in which the scheduler tries them, and how full a node is."""

from __future__ import annotations

from heapq import heapify, heappush

from fleet.core.capacity.node_usage import NodeUsage
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Resources
from fleet.core.objects.pod import Pod, PodRef


class NodeRoom(NodeUsage):
    """The usage of a node by its pods, and how full the node is."""

    __slots__ = ("level", "size")

    def __init__(self, size: Resources) -> None:
        super().__init__()
        self.size = size
        self.level = 0.0
        """The highest of the shares of cpu, memory and pods that are taken, from 0 to 1."""

    def take(self, pod: Pod, sign: int = 1) -> None:
        super().take(pod, sign)
        self.measure()

    def measure(self) -> None:
        size = self.size
        self.level = max(
            self.cpu / (size.cpu or 1), self.memory / (size.memory or 1), self.pods / (size.pods or 1)
        )


class NodeShelf:
    """The nodes that fit one kind of demand, and the pods with that demand that wait for capacity."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        self.listed: dict[str, tuple[int, float]] = {}
        """The entry that counts for a node. Its level is never above the true one."""
        self.heap: list[tuple[int, float, str]] = []
        self.full: set[Resources] = set()
        """Sizes that fit nowhere until capacity appears."""
        self.waiting: dict[Resources, dict[PodRef, int]] = {}
        self.picky = False
        """True if a waiting pod depends on its neighbours, or on host ports: a node without new capacity may fit it
        now."""

    def list(self, name: str, dislikes: int, level: float) -> None:
        self.listed[name] = (dislikes, level)
        heappush(self.heap, (dislikes, level, name))
        if len(self.heap) > 64 + 4 * len(self.listed):
            self.heap = [(*entry, name) for name, entry in self.listed.items()]
            heapify(self.heap)
