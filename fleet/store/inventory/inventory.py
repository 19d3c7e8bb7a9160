"""The objects of all clusters, now and at any past moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import SITE_LABEL, Node, NodeRef
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.errors import UsageError
from fleet.core.records.retention import Retention
from fleet.core.rollout.event import ClusterObject
from fleet.store.db.database import SqlDatabase, Transaction, in_utc, moment, moment_or_none
from fleet.store.history import contacts, intervals, parts, reading
from fleet.store.inventory import clusters, facts, sources
from fleet.store.inventory.facts import Changes, Writing
from fleet.store.inventory.kinds import (
    BUDGET,
    KINDS,
    MACHINE,
    MAINTENANCE,
    NODE,
    POD,
    QUORUM,
    WORKLOAD,
    FactKind,
    T,
)
from fleet.store.inventory.past_node import PastNode

FORGOTTEN_AT_ONCE = 2000
"""The most rows of each kind that are deleted in one transaction, which other writers wait for."""


class SqlInventory:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def sync(self, snapshot: Snapshot, *, at: datetime, source: str) -> Changes:
        """Compares all objects of the cluster with the known ones, and writes only the differences.

        No lock is taken where nothing differs. Raises UsageError where the fleet has no such cluster.
        """
        things: tuple[tuple[FactKind[Any], Sequence[Any]], ...] = (
            (NODE, snapshot.nodes),
            (MACHINE, snapshot.machines),
            (POD, snapshot.pods),
            (BUDGET, snapshot.budgets),
            (WORKLOAD, snapshot.workloads),
            (QUORUM, snapshot.quorums),
            (MAINTENANCE, snapshot.maintenances),
        )
        with self._database.read() as transaction:
            _refuse_unknown(transaction, snapshot.cluster)
            news = [(kind, *facts.news(transaction, kind, snapshot.cluster, all_)) for kind, all_ in things]
        return self._write(snapshot.cluster, news, at, source)

    def note(
        self,
        cluster: str,
        seen: Sequence[ClusterObject],
        gone: Sequence[ClusterObject],
        *,
        at: datetime,
        source: str,
    ) -> Changes:
        """Writes what a watch reported: objects that were added or changed, and objects that were deleted. An object
        that is both in `gone` and, by name, in `seen` counts as seen.

        Raises UsageError where the fleet has no such cluster.
        """
        with self._database.read() as transaction:
            _refuse_unknown(transaction, cluster)
        news = [
            (
                kind,
                [thing for thing in seen if isinstance(thing, kind.type)],
                [kind.key_of(thing) for thing in gone if isinstance(thing, kind.type)],
            )
            for kind in KINDS
        ]
        return self._write(cluster, news, at, source)

    def _write(self, cluster: str, news: Sequence[News], at: datetime, source: str) -> Changes:
        changes = Changes()
        if not any(seen or gone for _, seen, gone in news):
            return changes
        writing = Writing(cluster, self._database.bind(at), source)
        with self._database.write(_lock(cluster)) as transaction:
            _refuse_unknown(transaction, cluster)
            for kind, seen, gone in news:
                changes += facts.write(transaction, kind, writing, seen, gone)
            intervals.write(transaction, writing, _names(news))
        return changes

    def nodes(self, *, cluster: str | None = None) -> list[KnownNode]:
        """Returns the nodes, and machines without a node, as they were seen last."""
        with self._database.read() as transaction:
            sites = clusters.first_sites(transaction)
            rows = reading.now(transaction, cluster)
        rows.sort(key=itemgetter(0, 1))
        # Many nodes were upgraded, or seen first, at the same moment.
        moments = {bound: moment_or_none(bound) for bound in {row[2] for row in rows}}
        return [
            _known_node(
                of,
                name,
                sites,
                None if node is None else NODE.thing(node, node_state),
                None if machine is None else MACHINE.thing(machine, machine_state),
                moments[since],
            )
            for of, name, since, node, node_state, machine, machine_state in rows
        ]

    def pods(self, *, cluster: str | None = None) -> dict[NodeRef, int]:
        """Returns how many pods are bound to each node that has any."""
        where = "" if cluster is None else "WHERE cluster = ? "
        with self._database.read() as transaction:
            rows = transaction.all(
                f"SELECT cluster, node, count(*) FROM pod {where}GROUP BY cluster, node",  # noqa: S608
                [] if cluster is None else [cluster],
            )
        return {NodeRef(name, node): count for name, node, count in rows}

    def nodes_at(self, at: datetime, *, cluster: str | None = None) -> list[KnownNode]:
        """Returns the nodes, and machines without a node, as they were known at a past moment.

        What machines were asked to do and their systemd units have no history: they are None.
        """
        with self._database.read() as transaction:
            sites = clusters.first_sites(transaction)
            rows = reading.as_of(transaction, cluster, self._database.bind(at), parts.COLUMNS)
        return [
            _known_node(
                row[0],
                row[1],
                sites,
                parts.node_of(row[3:]),
                parts.machine_of(row[3:]),
                moment_or_none(row[2]),
            )
            for row in sorted(rows, key=lambda row: row[:2])
        ]

    def snapshot(self, cluster: str) -> Snapshot:
        """Returns the cluster as completely as a plan needs it, as it was last seen.

        Raises UsageError where the fleet has no such cluster.
        """
        with self._database.read() as transaction:
            row = next((row for row in clusters.listed(transaction) if row.name == cluster), None)
            if row is None:
                raise _unknown(cluster)
            when = row.last_seen or _latest(transaction, cluster)
            return Snapshot(
                cluster=cluster,
                site=row.sites[0] if row.sites else "",
                at=in_utc(when) if when is not None else EVER,
                server_version=row.server_version,
                nodes=_things(transaction, NODE, cluster),
                pods=_things(transaction, POD, cluster),
                budgets=_things(transaction, BUDGET, cluster),
                workloads=_things(transaction, WORKLOAD, cluster),
                machines=_things(transaction, MACHINE, cluster),
                quorums=_things(transaction, QUORUM, cluster),
                maintenances=_things(transaction, MAINTENANCE, cluster),
            )

    def quorums(self) -> list[tuple[str, Quorum]]:
        """Returns the quorum groups of all clusters as they were read last, each with its cluster, sorted by name."""
        with self._database.read() as transaction:
            rows = facts.now(transaction, QUORUM, None, "cluster", "name", "fact", "state")
        return [(row[0], QUORUM.thing(row[2], row[3])) for row in sorted(rows, key=lambda row: row[:2])]

    def history(self, cluster: str, node: str) -> list[PastNode]:
        """Returns all that is kept of the nodes of that name, oldest first. There may be time between two intervals, in
        which there was no such node."""
        with self._database.read() as transaction:
            rows = reading.of_node(transaction, cluster, node, parts.COLUMNS)
        return [
            PastNode(
                moment(row[0]),
                moment_or_none(row[1]),
                row[2],
                parts.node_of(row[3:]),
                parts.machine_of(row[3:]),
            )
            for row in rows
        ]

    def names(self) -> list[NodeRef]:
        """Returns the names that clusters have, or had, a node or machine of."""
        with self._database.read() as transaction:
            rows = transaction.all("SELECT cluster, name FROM known_node ORDER BY cluster, name")
        return [NodeRef(*row) for row in rows]

    def gaps(self, cluster: str, times: Sequence[datetime]) -> dict[datetime, datetime]:
        """Returns for each of the times at which the cluster was seen again after a while, when it had been seen last
        before: what was noticed then happened at some time between the two."""
        bound = {self._database.bind(each): each for each in times}
        with self._database.read() as transaction:
            found = contacts.seen_before(transaction, cluster, list(bound))
        return {bound[at]: before for at, before in found.items()}

    def first_contact(self) -> datetime | None:
        """Returns the first moment of which anything is known. None: nothing was ever seen, or kept."""
        with self._database.read() as transaction:
            row = transaction.one("SELECT min(valid_from) FROM cluster_contact")
        return None if row is None else moment_or_none(row[0])

    def boots(self) -> list[tuple[str, str, str, datetime]]:
        """Returns every boot of a node that was seen: cluster, node, boot id, and when the boot was first seen. In the
        order of time."""
        with self._database.read() as transaction:
            rows = reading.boots(transaction)
        seen = [(cluster, node, boot_id, moment(first)) for cluster, node, boot_id, first in rows if boot_id]
        return sorted(seen, key=lambda boot: (boot[3], boot[0], boot[1]))

    def ends(self) -> dict[tuple[str, str], datetime]:
        """Returns, by cluster and node, when the nodes that are no longer there were last seen."""
        with self._database.read() as transaction:
            rows = reading.ends(transaction)
        return {(cluster, node): moment(last) for cluster, node, last in rows}

    def departed(self, after: datetime) -> list[tuple[NodeRef, Node, datetime]]:
        """Returns the nodes that are no longer there, with their identity alone, and when each was there last. Left out
        are those that were gone by `after`."""
        with self._database.read() as transaction:
            rows = reading.departed(transaction, self._database.bind(after))
        nodes = [(NodeRef(*row[:2]), parts.profile_of(row[3]), moment(row[2])) for row in rows]
        return sorted(nodes, key=lambda found: found[0])

    def forget(self, retention: Retention, *, at: datetime, most: int = FORGOTTEN_AT_ONCE) -> int:
        """Deletes intervals that ended longer before `at` than `retention` allows, up to `most`, and returns how many.
        What holds now is kept. No lock is taken where there is nothing to delete."""
        if retention.nodes is None:
            return 0
        before = self._database.bind(at - retention.nodes)
        with self._database.read() as transaction:
            names = [name for (name,) in transaction.all("SELECT name FROM cluster ORDER BY name")]
            ended = [name for name in names if intervals.any_ended(transaction, name, before)]
        deleted = 0
        for name in ended:
            # A writer may refer to a text that no row refers to any more: both wait for each other.
            with self._database.write(_lock(name)) as transaction:
                contacts.forget(transaction, name, before)
                deleted += intervals.forget(transaction, name, before, most - deleted)
            if deleted >= most:
                break
        return deleted + sources.forget(self._database, before)


News = tuple[FactKind[Any], Sequence[Any], Sequence[tuple[str, ...]]]
EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""`at` of the snapshot of a cluster that has never been read."""


def _lock(cluster: str) -> str:
    """Returns the lock of those who write what a cluster has, or had."""
    return f"inventory/{cluster}"


def _names(news: Sequence[News]) -> set[str]:
    """Returns the names of the nodes and machines that were seen or are gone."""
    return {
        name
        for kind, seen, gone in news
        if kind in (NODE, MACHINE)
        for name in (*(thing.name for thing in seen), *(key[0] for key in gone))
    }


def _refuse_unknown(transaction: Transaction, cluster: str) -> None:
    if transaction.one("SELECT 1 FROM cluster WHERE name = ? AND removed_at IS NULL", [cluster]) is None:
        raise _unknown(cluster)


def _unknown(cluster: str) -> UsageError:
    return UsageError(f"no cluster {cluster}", "fleet cluster add")


def _known_node(
    cluster: str,
    name: str,
    sites: Mapping[str, str],
    node: Node | None,
    machine: Machine | None,
    since: datetime | None,
) -> KnownNode:
    site = sites.get(cluster, "")
    if node is not None:
        site = node.labels.get(SITE_LABEL, site)
    return KnownNode(cluster, site, name, node, machine, since)


def _things(transaction: Transaction, kind: FactKind[T], cluster: str) -> tuple[T, ...]:
    """Returns the objects sorted by name."""
    rows = facts.now(transaction, kind, cluster, *kind.key, "fact", "state")
    rows.sort(key=lambda row: row[:-2])
    return tuple(kind.thing(row[-2], row[-1]) for row in rows)


def _latest(transaction: Transaction, cluster: str) -> datetime | None:
    row = transaction.one("SELECT max(valid_from) FROM node WHERE cluster = ?", [cluster])
    return None if row is None else moment_or_none(row[0])
