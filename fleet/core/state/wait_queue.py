"""Runs that wait for something, each under the one thing that held it last, best first.

Only when that thing changes are its waiters looked at again, and only as many as it lets through: the cost of an
event does not grow with the number of waiting nodes.

Waiters under one key that count for the same limits stand on one shelf. When a budget opens while such a limit is
full, its first waiter speaks for the shelf: from then on the whole shelf waits for the limit, beside all others that
do, and none of them has to be asked.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import NamedTuple

from fleet.core.objects.node import NodeRef

WaitKey = tuple[Hashable, ...]
QueueEntry = tuple[float, int, NodeRef]
"""Sorts as it is to be served."""

SHARED = frozenset({"budget", "scope"})
"""Kinds of keys whose waiters lack nothing else that a limit would be asked after: their shelves move as a whole."""


class WaitGroup:
    __slots__ = ("generation", "heap", "key", "leading", "limit_group", "waits_for")

    def __init__(self, key: WaitKey, place: int) -> None:
        self.key = key
        """What held its waiters."""
        self.limit_group = place
        """Stands for the limits that they count for."""
        self.waits_for = key
        """What has to open before they are asked: `key`, or a limit that was full when it had opened."""
        self.generation = 0
        """Another one each time that it waits for something else."""
        self.heap: list[QueueEntry] = []
        self.leading: set[QueueEntry] = set()
        """Those of its entries that stand for it among all that wait for the same."""


class Waiter(NamedTuple):
    """A waiter that is to be asked again."""

    ref: NodeRef
    group: WaitGroup


class WaitQueue:
    def __init__(self) -> None:
        self._shelves: dict[tuple[WaitKey, int], WaitGroup] = {}
        self._where: dict[NodeRef, WaitGroup] = {}
        self._first: dict[WaitKey, list[tuple[float, int, NodeRef, int, WaitGroup]]] = {}
        """By what they wait for: the best of each shelf. Entries of the past are passed over."""
        self._open: dict[WaitKey, None] = {}
        self._made = 0

    def put(self, ref: NodeRef, key: WaitKey, place: int, priority: float, order: int) -> None:
        """Higher priority first; then lower order."""
        shelf = self._shelves.get((key, place))
        if shelf is None:
            shelf = WaitGroup(key, place)
            self._wait_for(shelf, key)
        self._put(shelf, (-priority, order, ref))

    def ack(self, taken: Waiter) -> None:
        """Nothing holds it any more: the next of its shelf is the first."""
        if self._clean(taken.group):
            self._lead(taken.group)

    def requeue(self, taken: Waiter, by: WaitKey, place: int, priority: float, order: int) -> None:
        """It is held again, by this."""
        shelf = taken.group
        if place != shelf.limit_group or not (
            by == shelf.key or (by[0] == "scope" and shelf.key[0] in SHARED)
        ):
            self.ack(taken)
            self.put(taken.ref, by, place, priority, order)
            return
        if by != shelf.waits_for:
            self._wait_for(shelf, by)
        self._put(shelf, (-priority, order, taken.ref))

    def drop(self, ref: NodeRef) -> None:
        self._where.pop(ref, None)

    def waits(self, ref: NodeRef, key: WaitKey, place: int) -> bool:
        """The key's opening is what it waits for, or has waited for until a limit stood before it."""
        shelf = self._where.get(ref)
        return shelf is not None and shelf.limit_group == place and key in (shelf.key, shelf.waits_for)

    def ahead(self, ref: NodeRef) -> int:
        """How many wait under the same key and are better; 0 for one that does not wait."""
        own = self._where.get(ref)
        if own is None:
            return 0
        waiting = sorted(
            each
            for shelf in self._shelves.values()
            if shelf.key == own.key
            for each in shelf.heap
            if self._where.get(each[2]) is shelf
        )
        return next((place for place, each in enumerate(waiting) if each[2] == ref), 0)

    def open(self, key: WaitKey) -> None:
        """What this key stands for has changed: its waiters are to be looked at."""
        if key in self._first:
            self._open[key] = None

    def close(self, key: WaitKey) -> None:
        self._open.pop(key, None)

    def opened(self) -> WaitKey | None:
        """The key that was opened first."""
        return next(iter(self._open), None)

    def pop(self, key: WaitKey) -> Waiter | None:
        """The best waiter for the key, to be `put_back` or `gone`; None, and the key is closed, where there is none."""
        first = self._first.get(key, [])
        while first:
            priority, order, ref, number, shelf = heappop(first)
            entry = (priority, order, ref)
            if shelf.generation != number or entry not in shelf.leading:
                continue
            shelf.leading.discard(entry)
            if self._clean(shelf):
                if shelf.heap[0] == entry:
                    heappop(shelf.heap)
                    del self._where[ref]
                    return Waiter(ref, shelf)
                self._lead(shelf)
        self._first.pop(key, None)
        self.close(key)
        return None

    def _put(self, shelf: WaitGroup, entry: QueueEntry) -> None:
        self._shelves[shelf.key, shelf.limit_group] = shelf
        self._where[entry[2]] = shelf
        heappush(shelf.heap, entry)
        if self._clean(shelf):
            self._lead(shelf)

    def _wait_for(self, shelf: WaitGroup, key: WaitKey) -> None:
        self._made += 1
        shelf.waits_for, shelf.generation = key, self._made
        shelf.leading.clear()

    def _clean(self, shelf: WaitGroup) -> bool:
        """Passes over waiters that have gone elsewhere; False, and the shelf is cleared away, where none is left."""
        heap = shelf.heap
        while heap and self._where.get(heap[0][2]) is not shelf:
            heappop(heap)
        if not heap and self._shelves.get((shelf.key, shelf.limit_group)) is shelf:
            del self._shelves[shelf.key, shelf.limit_group]
        return bool(heap)

    def _lead(self, shelf: WaitGroup) -> None:
        """Its first waiter stands for it where it waits."""
        entry = shelf.heap[0]
        if entry not in shelf.leading:
            shelf.leading.add(entry)
            heappush(self._first.setdefault(shelf.waits_for, []), (*entry, shelf.generation, shelf))
