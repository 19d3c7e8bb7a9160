"""Runs that wait for something, each under the one thing that held it last, best first.

Only when that thing changes are its waiters looked at again, and only as many as it lets through: the cost of an
event does not grow with the number of waiting nodes.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush

from fleet.core.node import NodeRef

Key = tuple[Hashable, ...]


class Queue:
    def __init__(self) -> None:
        self._heaps: dict[Key, list[tuple[float, int, NodeRef]]] = {}
        self._where: dict[NodeRef, Key] = {}
        self._open: dict[Key, None] = {}

    def put(self, ref: NodeRef, key: Key, priority: float, order: int) -> None:
        """Higher priority first; then lower order."""
        self._where[ref] = key
        heappush(self._heaps.setdefault(key, []), (-priority, order, ref))

    def drop(self, ref: NodeRef) -> None:
        self._where.pop(ref, None)

    def where(self, ref: NodeRef) -> Key | None:
        return self._where.get(ref)

    def ahead(self, ref: NodeRef) -> int:
        """How many wait under the same key and are better; 0 for one that does not wait."""
        key = self._where.get(ref)
        if key is None:
            return 0
        waiting = sorted(each for each in self._heaps.get(key, []) if self._where.get(each[2]) == key)
        return next((place for place, each in enumerate(waiting) if each[2] == ref), 0)

    def open(self, key: Key) -> None:
        """What this key stands for has changed: its waiters are to be looked at."""
        if key in self._heaps:
            self._open[key] = None

    def close(self, key: Key) -> None:
        self._open.pop(key, None)

    def opened(self) -> Key | None:
        """The key that was opened first."""
        return next(iter(self._open), None)

    def pop(self, key: Key) -> NodeRef | None:
        """The best waiter under the key; None, and the key is closed, where there is none."""
        heap = self._heaps.get(key, [])
        while heap:
            ref = heappop(heap)[2]
            if self._where.get(ref) == key:
                del self._where[ref]
                return ref
        self._heaps.pop(key, None)
        self.close(key)
        return None
