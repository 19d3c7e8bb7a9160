"""Writes what the executor's watches report into the inventory: a full comparison after the first list, then what
changed.

Changes are gathered and written together, so that a busy cluster costs one transaction in a few seconds, and a quiet one
costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import PersistentVolumeClaim
from fleet.core.objects.workload import Workload
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.action import Outcome
from fleet.core.rollout.event import (
    ClusterEvent,
    ClusterLost,
    ClusterObject,
    ClusterSynced,
    Deleted,
    JournalNote,
    Upserted,
)
from fleet.core.third_parties.maintenance import Maintenance
from fleet.drivers.ports import ClusterRegistry, Inventory
from fleet.system.clock import Clock

SOURCE = "watch"

ThingKey = tuple[type[ClusterObject], str, str, str]


class Recorder:
    """Gathers events of all clusters until `flush`."""

    def __init__(
        self, inventory: Inventory, clusters: ClusterRegistry, sites: Mapping[str, str], clock: Clock
    ) -> None:
        self._inventory = inventory
        self._clusters = clusters
        self._sites = dict(sites)
        self._clock = clock
        self._first: dict[str, dict[ThingKey, ClusterObject]] = {name: {} for name in sites}
        """Clusters whose first list is not complete: what has come of it."""
        self._changes: dict[str, dict[ThingKey, Upserted | Deleted]] = {name: {} for name in sites}
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
                seen = [each.thing for each in changes.values() if isinstance(each, Upserted)]
                gone = [each.thing for each in changes.values() if isinstance(each, Deleted)]
                self._inventory.note(cluster, seen, gone, at=now, source=SOURCE)
                changes.clear()
            if self._reached.get(cluster):
                self._clusters.touch(cluster, at=now)

    def _note(self, cluster: str, event: Upserted | Deleted) -> None:
        first = self._first.get(cluster)
        if first is None:
            self._changes[cluster][key_of(event.thing)] = event
        elif isinstance(event, Upserted):
            first[key_of(event.thing)] = event.thing
        else:
            first.pop(key_of(event.thing), None)

    def _synced(self, cluster: str, event: ClusterSynced) -> None:
        now = self._clock.now()
        self._reached[cluster] = True
        first = self._first.pop(cluster, None)
        if first is not None:
            site = self._sites[cluster]
            found = snapshot_of(cluster, site, now, event.server_version, list(first.values()))
            self._inventory.sync(found, at=now, source=SOURCE)
        self._clusters.touch(cluster, at=now, version=event.server_version)


def key_of(thing: ClusterObject) -> ThingKey:
    spaced = Pod | Budget | Workload | PersistentVolumeClaim | Maintenance
    namespace = thing.namespace if isinstance(thing, spaced) else ""
    kind = thing.kind if isinstance(thing, Workload | Maintenance) else ""
    return type(thing), kind, namespace, thing.name


def snapshot_of(cluster: str, site: str, at: datetime, version: str, things: list[ClusterObject]) -> Snapshot:
    """Returns the objects of a first list as a snapshot."""
    return Snapshot(
        cluster=cluster,
        site=site,
        at=at,
        server_version=version,
        nodes=tuple(thing for thing in things if isinstance(thing, Node)),
        pods=tuple(thing for thing in things if isinstance(thing, Pod)),
        budgets=tuple(thing for thing in things if isinstance(thing, Budget)),
        workloads=tuple(thing for thing in things if isinstance(thing, Workload)),
        machines=tuple(thing for thing in things if isinstance(thing, Machine)),
        quorums=tuple(thing for thing in things if isinstance(thing, Quorum)),
        maintenances=tuple(thing for thing in things if isinstance(thing, Maintenance)),
    )
