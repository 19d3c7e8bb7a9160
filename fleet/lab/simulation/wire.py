"""The events that one controller receives from one cluster: a watch of each kind with its own delays, in order within a
kind."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.rollout.event import (
    ClusterEvent,
    ClusterLost,
    ClusterObject,
    ClusterObjectKey,
    ClusterSynced,
    Deleted,
    Upserted,
    object_key,
)
from fleet.lab.simulation.network import Network


class WatchStream:
    def __init__(self, cluster: str, network: Network, seed: str) -> None:
        self.cluster = cluster
        self.heard = False
        """True: the watches are open from the server's point of view."""
        self._network = network
        self._rng = Random(seed)
        self._queue: list[tuple[float, int, ClusterEvent]] = []
        self._made = 0
        self._latest: dict[str, float] = {}
        """When the last event of each kind arrives: no event overtakes another of its kind."""
        self._known: dict[ClusterObjectKey, ClusterObject] = {}
        """The objects that were delivered and not deleted."""

    def receive(self, event: ClusterEvent, at: float) -> None:
        """Receives a change in the cluster at that time."""
        if not self.heard or not isinstance(event, Upserted | Deleted):
            return
        self._put(event, at)
        if self._network.has("doubled events", at) and self._rng.random() < 0.5:
            self._put(event, at + self._rng.choice([0.0, 3.0]))

    def relist(self, snapshot: Snapshot, at: float) -> None:
        """Delivers all objects, the deletions since the last list, and the end of the list."""
        self.heard = True
        current = {object_key(known_object): known_object for known_object in snapshot.objects()}
        for key, known_object in self._known.items():
            if key not in current or current[key].uid != known_object.uid:
                self._put(Deleted(self.cluster, known_object), at)
        for known_object in current.values():
            self._put(Upserted(self.cluster, known_object), at)
        self._push(
            max(self._latest.values(), default=at), ClusterSynced(self.cluster, snapshot.server_version)
        )

    def forget(self, snapshot: Snapshot, at: float) -> None:
        """Expires the watches (410 Gone): the events on their way are in the new list."""
        self._queue.clear()
        self._latest.clear()
        self.relist(snapshot, at)

    def lose(self, why: str, at: float) -> None:
        """Breaks the connections: the events on their way never arrive."""
        self.heard = False
        self._queue.clear()
        self._latest.clear()
        self._push(at, ClusterLost(self.cluster, why))

    def due(self, at: float) -> list[ClusterEvent]:
        """Returns the events that have arrived by now, in order."""
        events = []
        while self._queue and self._queue[0][0] <= at:
            event = heappop(self._queue)[2]
            if isinstance(event, Upserted):
                self._known[object_key(event.obj)] = event.obj
            elif isinstance(event, Deleted):
                self._known.pop(object_key(event.obj), None)
            events.append(event)
        return events

    def next_at(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def _put(self, event: Upserted | Deleted, at: float) -> None:
        kind = type(event.obj).__name__
        due = max(self._latest.get(kind, 0.0), at + self._network.delay(kind, at, self._rng))
        self._latest[kind] = due
        self._push(due, event)

    def _push(self, due: float, event: ClusterEvent) -> None:
        self._made += 1
        heappush(self._queue, (due, self._made, event))
