"""The queue of runs that wait, each under the key of the reason that held it last, best first.

The waiters of a key are asked again only when the key opens, and only as many as it lets through: the cost of an event
does not grow with the number of waiting nodes.

Waiters under one key that count for the same limits are one `WaitGroup`. If a budget opens while such a limit is full, the
first waiter stands for the group: from then on the whole group waits for the limit, and no other waiter has to be asked.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from fleet.core.objects.node import NodeRef

WaitKind = Literal[
    "node",
    "scope",
    "budget",
    "budgets",
    "operator",
    "quorum",
    "capacity",
    "pinned",
    "upgraded",
    "gate",
    "start",
]
"""The subjects of waits: a change of the node itself, of a limit's scope, of one budget, of a namespace's budgets, another
node of an operator's group, a quorum group, free capacity, another node or budget for pinned pods, a node that comes back in
a cluster, a gate, or the first look at a run."""
GROUP_KINDS: frozenset[WaitKind] = frozenset({"budget", "scope"})
"""The kinds of keys after which nothing but a limit is asked: the waiters of a wait group move to a full limit together."""

QueueEntry = tuple[float, int, NodeRef]
"""Negative priority, order and node: entries sort as they are to be served."""


class WaitKey(NamedTuple):
    """The subject of a run's wait. The runs under a key are asked again once the key opens."""

    kind: WaitKind
    subject: Hashable


class WaitGroup:
    """The waiters under one key that count for the same limits."""

    __slots__ = ("generation", "heap", "key", "leading", "limit_group", "waits_for")

    def __init__(self, key: WaitKey, limit_group: int) -> None:
        self.key = key
        """The key under which its waiters were put."""
        self.limit_group = limit_group
        """Stands for the limits that they count for (`DisruptionLimits.limit_group`)."""
        self.waits_for = key
        """The key that has to open before they are asked: `key`, or that of a limit which was full when `key` had opened."""
        self.generation = 0
        """Changes each time that the group waits for something else."""
        self.heap: list[QueueEntry] = []
        self.leading: set[QueueEntry] = set()
        """The entries that stand for the group among all that wait for the same."""


class Waiter(NamedTuple):
    """A waiter that is being asked again. `ack` or `requeue` must follow."""

    ref: NodeRef
    group: WaitGroup


class WaitQueue:
    def __init__(self) -> None:
        self._groups: dict[tuple[WaitKey, int], WaitGroup] = {}
        self._group_of: dict[NodeRef, WaitGroup] = {}
        self._leaders: dict[WaitKey, list[tuple[float, int, NodeRef, int, WaitGroup]]] = {}
        """The best waiter of each group with the group's generation, by key. Outdated entries are skipped."""
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
        """Removes the waiter, which nothing holds any more: the next one of its group becomes the first."""
        if self._skip_outdated(waiter.group):
            self._lead(waiter.group)

    def requeue(self, waiter: Waiter, key: WaitKey, limit_group: int, priority: float, order: int) -> None:
        """Puts the waiter back under `key`, which holds it now. Its whole group may wait for a full limit then."""
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
        """Returns whether the node waits for the key, or has waited for the key until its group had to wait for a limit."""
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

    def awaits(self, key: WaitKey) -> bool:
        """Returns whether a run may wait for the key to open."""
        return key in self._leaders

    def open(self, key: WaitKey) -> None:
        """Opens the key because its subject has changed: its waiters will be asked again."""
        if key in self._leaders:
            self._open[key] = None

    def close(self, key: WaitKey) -> None:
        self._open.pop(key, None)

    def opened(self) -> WaitKey | None:
        """Returns the key that was opened first, or None."""
        return next(iter(self._open), None)

    def pop(self, key: WaitKey) -> Waiter | None:
        """Returns the best waiter for the key, to be followed by `requeue` or `ack`; closes the key and returns None if
        there is none."""
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
        """Drops waiters that have moved to another group. Returns False, and drops the group, if none is left."""
        heap = group.heap
        while heap and self._group_of.get(heap[0][2]) is not group:
            heappop(heap)
        if not heap and self._groups.get((group.key, group.limit_group)) is group:
            del self._groups[group.key, group.limit_group]
        return bool(heap)

    def _lead(self, group: WaitGroup) -> None:
        """Enters the group's first waiter under the key that the group waits for."""
        entry = group.heap[0]
        if entry not in group.leading:
            group.leading.add(entry)
            heappush(self._leaders.setdefault(group.waits_for, []), (*entry, group.generation, group))
