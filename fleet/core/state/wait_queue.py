"""Runs that wait for something, each under the one key that held it last, best first.

Only when a key opens are its waiters looked at again, and only as many as it lets through: the cost of an event does not
grow with the number of waiting nodes.

Waiters under one key that count for the same limits are one `WaitGroup`. When a budget opens while such a limit is full,
its first waiter speaks for the group: from then on the whole group waits for the limit, beside all others that do, and
none of them has to be asked.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from fleet.core.objects.node import NodeRef

WaitKind = Literal[
    "node", "scope", "budget", "budgets", "operator", "quorum", "capacity", "pinned", "gate", "start"
]
"""What can be waited for: a change of the node itself, of a limit's scope, of one budget, of a namespace's budgets, another
node of an operator's group, a quorum group, free capacity, another node or budget for pinned pods, a gate, or the first
look at a run."""
GROUP_KINDS: frozenset[WaitKind] = frozenset({"budget", "scope"})
"""Kinds of keys whose waiters lack nothing else that a limit would be asked after: their groups move as a whole."""

QueueEntry = tuple[float, int, NodeRef]
"""Negative priority, order and node: entries sort as they are to be served."""


class WaitKey(NamedTuple):
    """What a run waits for. The runs under a key are asked again once it opens."""

    kind: WaitKind
    subject: Hashable


class WaitGroup:
    """The waiters under one key that count for the same limits."""

    __slots__ = ("generation", "heap", "key", "leading", "limit_group", "waits_for")

    def __init__(self, key: WaitKey, limit_group: int) -> None:
        self.key = key
        """What held its waiters."""
        self.limit_group = limit_group
        """Stands for the limits that they count for (`DisruptionLimits.limit_group`)."""
        self.waits_for = key
        """What has to open before they are asked: `key`, or a limit that was full when `key` had opened."""
        self.generation = 0
        """Changes each time that the group waits for something else."""
        self.heap: list[QueueEntry] = []
        self.leading: set[QueueEntry] = set()
        """The entries that stand for the group among all that wait for the same."""


class Waiter(NamedTuple):
    """A waiter that is asked again: to be followed by `ack` or `requeue`."""

    ref: NodeRef
    group: WaitGroup


class WaitQueue:
    def __init__(self) -> None:
        self._groups: dict[tuple[WaitKey, int], WaitGroup] = {}
        self._group_of: dict[NodeRef, WaitGroup] = {}
        self._leaders: dict[WaitKey, list[tuple[float, int, NodeRef, int, WaitGroup]]] = {}
        """By what they wait for: the best of each group, with the group's generation. Outdated entries are passed over."""
        self._open: dict[WaitKey, None] = {}
        self._generations = 0

    def put(self, ref: NodeRef, key: WaitKey, limit_group: int, priority: float, order: int) -> None:
        """Adds a waiter. Higher priority is served first; then lower order."""
        group = self._groups.get((key, limit_group))
        if group is None:
            group = WaitGroup(key, limit_group)
            self._wait_for(group, key)
        self._put(group, (-priority, order, ref))

    def ack(self, waiter: Waiter) -> None:
        """Nothing holds the waiter any more: the next one of its group is the first."""
        if self._skip_outdated(waiter.group):
            self._lead(waiter.group)

    def requeue(self, waiter: Waiter, key: WaitKey, limit_group: int, priority: float, order: int) -> None:
        """Puts the waiter back, which `key` holds now. With it its group may wait for a full limit."""
        group = waiter.group
        stays = key == group.key or (key.kind == "scope" and group.key.kind in GROUP_KINDS)
        if limit_group != group.limit_group or not stays:
            self.ack(waiter)
            self.put(waiter.ref, key, limit_group, priority, order)
            return
        if key != group.waits_for:
            self._wait_for(group, key)
        self._put(group, (-priority, order, waiter.ref))

    def drop(self, ref: NodeRef) -> None:
        self._group_of.pop(ref, None)

    def waits(self, ref: NodeRef, key: WaitKey, limit_group: int) -> bool:
        """Returns whether the node waits for the key, or has waited for the key until a limit stood before it."""
        group = self._group_of.get(ref)
        return group is not None and group.limit_group == limit_group and key in (group.key, group.waits_for)

    def ahead(self, ref: NodeRef) -> int:
        """Returns how many wait under the same key and are served before the node; 0 for one that does not wait."""
        own = self._group_of.get(ref)
        if own is None:
            return 0
        waiting = sorted(
            entry
            for group in self._groups.values()
            if group.key == own.key
            for entry in group.heap
            if self._group_of.get(entry[2]) is group
        )
        return next((place for place, entry in enumerate(waiting) if entry[2] == ref), 0)

    def open(self, key: WaitKey) -> None:
        """What the key stands for has changed: its waiters are to be looked at."""
        if key in self._leaders:
            self._open[key] = None

    def close(self, key: WaitKey) -> None:
        self._open.pop(key, None)

    def opened(self) -> WaitKey | None:
        """Returns the key that was opened first, or None."""
        return next(iter(self._open), None)

    def pop(self, key: WaitKey) -> Waiter | None:
        """Returns the best waiter for the key, for `requeue` or `ack`; None, and the key is closed, where there is none."""
        leaders = self._leaders.get(key, [])
        while leaders:
            priority, order, ref, generation, group = heappop(leaders)
            entry = (priority, order, ref)
            if group.generation != generation or entry not in group.leading:
                continue
            group.leading.discard(entry)
            if self._skip_outdated(group):
                if group.heap[0] == entry:
                    heappop(group.heap)
                    del self._group_of[ref]
                    return Waiter(ref, group)
                self._lead(group)
        self._leaders.pop(key, None)
        self.close(key)
        return None

    def _put(self, group: WaitGroup, entry: QueueEntry) -> None:
        self._groups[group.key, group.limit_group] = group
        self._group_of[entry[2]] = group
        heappush(group.heap, entry)
        if self._skip_outdated(group):
            self._lead(group)

    def _wait_for(self, group: WaitGroup, key: WaitKey) -> None:
        self._generations += 1
        group.waits_for, group.generation = key, self._generations
        group.leading.clear()

    def _skip_outdated(self, group: WaitGroup) -> bool:
        """Drops waiters that have gone elsewhere; returns False, and drops the group, where none is left."""
        heap = group.heap
        while heap and self._group_of.get(heap[0][2]) is not group:
            heappop(heap)
        if not heap and self._groups.get((group.key, group.limit_group)) is group:
            del self._groups[group.key, group.limit_group]
        return bool(heap)

    def _lead(self, group: WaitGroup) -> None:
        """Has the first waiter of the group stand for it where it waits."""
        entry = group.heap[0]
        if entry not in group.leading:
            group.leading.add(entry)
            heappush(self._leaders.setdefault(group.waits_for, []), (*entry, group.generation, group))
