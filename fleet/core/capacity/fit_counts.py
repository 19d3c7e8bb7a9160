"""Counts how many pods of one size fit on the nodes for one demand. Each count is made once and then kept up to
date."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet.core.capacity.node_usage import NO_USAGE, NodeUsage
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node, Resources

RoundedSize = tuple[int, int, int, tuple[tuple[str, int], ...]]
"""Millicores, bytes of memory, bytes of storage, and other resources by name; each rounded up to a power of two."""


class FitCount:
    """The count for one demand and size."""

    __slots__ = ("dirty", "most", "of", "total")

    def __init__(self, names: Mapping[str, Node]) -> None:
        self.of: dict[str, int] = {}
        """Number of pods by node."""
        self.total = 0
        """Number of pods on all nodes."""
        self.most = 0
        """The highest number of pods on one node so far: a dirty node cannot have lost more."""
        self.dirty = set(names)
        """Nodes whose count may have changed."""


class FitCounts:
    """The counts of one cluster, by demand and size."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        usage: Mapping[str, NodeUsage],
        is_open: Callable[[str, Demand], bool],
    ) -> None:
        self._nodes = nodes
        self._usage = usage
        self._is_open = is_open
        self._counts: dict[tuple[Demand, RoundedSize], FitCount] = {}

    def changed(self, name: str) -> None:
        """Records that the node may take more or fewer pods than before."""
        for count in self._counts.values():
            count.dirty.add(name)

    def has_at_least(self, demand: Demand, size: RoundedSize, wanted: int, drained: str) -> bool:
        """Returns whether all nodes but `drained` together take at least `wanted` pods of this size."""
        count = self._counts.get((demand, size))
        if count is None:
            count = self._counts[demand, size] = FitCount(self._nodes)
        # The drained node's places do not count, and the places of all changed nodes may be gone.
        if count.total - (len(count.dirty) + 1) * count.most >= wanted:
            return True
        for name in count.dirty:
            now = self._on(name, demand, size)
            count.total += now - count.of.get(name, 0)
            count.of[name] = now
            count.most = max(count.most, now)
        count.dirty.clear()
        return count.total - count.of.get(drained, 0) >= wanted

    def _on(self, name: str, demand: Demand, size: RoundedSize) -> int:
        """Returns how many pods of this size fit on the node."""
        if not self._is_open(name, demand):
            return 0
        allocatable, used = self._nodes[name].allocatable, self._usage.get(name, NO_USAGE)
        cpu, memory, storage, others = size
        fits = allocatable.pods - used.pods
        if cpu:
            fits = min(fits, (allocatable.cpu - used.cpu) // cpu)
        if memory:
            fits = min(fits, (allocatable.memory - used.memory) // memory)
        if storage:
            fits = min(fits, (allocatable.storage - used.storage) // storage)
        for resource, amount in others:
            fits = min(fits, used.left(resource, allocatable) // amount)
        return max(0, fits)


def rounded_size(requests: Resources) -> RoundedSize:
    """Returns the requests, each rounded up to a power of two, so that few sizes have to be counted."""
    others = tuple((name, _power(amount)) for name, amount in requests.others) if requests.others else ()
    return _power(requests.cpu), _power(requests.memory), _power(requests.storage), others


def _power(number: int) -> int:
    """Returns the smallest power of two that is at least `number`; 0 for 0."""
    return 1 << (number - 1).bit_length() if number > 0 else 0
