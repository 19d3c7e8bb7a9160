"""Writes what the executor's watches report into the inventory: a full comparison after the first list, then what
changed.

Changes are gathered and written together, so that a busy cluster costs one transaction in a few seconds, and a quiet one
costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.rollout.action import Outcome
from fleet.core.rollout.event import (
    ClusterEvent,
    ClusterLost,
    ClusterObject,
    ClusterObjectKey,
    ClusterSynced,
    Deleted,
    JournalNote,
    Upserted,
    object_key,
)
from fleet.drivers.ports import ClusterRegistry, Inventory
from fleet.system.clock import Clock

SOURCE = "watch"


class Recorder:
    """Gathers events of all clusters until `flush`."""

    def __init__(
        self, inventory: Inventory, clusters: ClusterRegistry, sites: Mapping[str, str], clock: Clock
    ) -> None:
        self._inventory = inventory
        self._clusters = clusters
        self._sites = dict(sites)
        self._clock = clock
        self._first: dict[str, dict[ClusterObjectKey, ClusterObject]] = {name: {} for name in sites}
        """Clusters whose first list is not complete: what has come of it."""
        self._changes: dict[str, dict[ClusterObjectKey, Upserted | Deleted]] = {name: {} for name in sites}
        self._reached: dict[str, bool] = {}

    def watch(self, cluster: str, event: ClusterEvent) -> None:
        """Takes one event of a cluster."""
        match event:
            case ClusterSynced():
                self._synced(cluster, event)
            case ClusterLost():
                self._reached[cluster] = False
                self._clusters.touch(cluster, at=self._clock.now(), error=event.why)
            case Upserted() | Deleted():
                self._note(cluster, event)
            case Outcome() | JournalNote():
                pass

    def flush(self) -> None:
        """Writes what has been gathered, and that the clusters were seen."""
        now = self._clock.now()
        for cluster, changes in self._changes.items():
            if changes:
                seen = [change.obj for change in changes.values() if isinstance(change, Upserted)]
                gone = [change.obj for change in changes.values() if isinstance(change, Deleted)]
                self._inventory.note(cluster, seen, gone, at=now, source=SOURCE)
                changes.clear()
            if self._reached.get(cluster):
                self._clusters.touch(cluster, at=now)

    def _note(self, cluster: str, event: Upserted | Deleted) -> None:
        first = self._first.get(cluster)
        if first is None:
            self._changes[cluster][object_key(event.obj)] = event
        elif isinstance(event, Upserted):
            first[object_key(event.obj)] = event.obj
        else:
            first.pop(object_key(event.obj), None)

    def _synced(self, cluster: str, event: ClusterSynced) -> None:
        now = self._clock.now()
        self._reached[cluster] = True
        first = self._first.pop(cluster, None)
        if first is not None:
            site = self._sites[cluster]
            found = Snapshot.of(first.values(), cluster, site, now, event.server_version)
            self._inventory.sync(found, at=now, source=SOURCE)
        self._clusters.touch(cluster, at=now, version=event.server_version)
