"""The objects of all clusters, now and at any past moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import SITE_LABEL, Node
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.errors import UsageError
from fleet.core.records.retention import Retention
from fleet.core.rollout.event import ClusterObject
from fleet.store.db.database import Row, SqlDatabase, Transaction, in_utc, moment, moment_or_none
from fleet.store.inventory import clusters, facts
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

FORGOTTEN_AT_ONCE = 2000
"""The most rows of each kind that are deleted in one transaction, which other writers wait for."""


class NodeRow(Struct, frozen=True):
    """A node with its machine, its pods and the time since when it runs what it runs."""

    cluster: str
    name: str
    site: str
    node: Node | None
    """The Node object. None: only the machine is known."""
    machine: Machine | None
    pods: int
    """How many pods are bound to the node."""
    since: datetime | None
    """Since when the node runs its release: the booted release that its agent reports or, without an agent, the OS
    image and kernel that its kubelet reports."""


class FactChange(Struct, frozen=True):
    """One interval in which a node ran the same release, according to one source (kubelet or agent)."""

    begin: datetime
    end: datetime | None
    """When the interval ended. None: it goes on."""
    told_by: Literal["kubelet", "agent"]
    source: str
    """How the fact was learned: `sync`, `watch`, ..."""
    os: str
    """The OS image that a kubelet reports, or the OS family that an agent reports."""
    version: str
    """The version of the booted release. Only an agent reports version and digest."""
    digest: str
    kernel: str
    boot_id: str


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
        with self._database.write(f"inventory/{cluster}") as transaction:
            for kind, seen, gone in news:
                changes += facts.write(transaction, kind, writing, seen, gone)
        return changes

    def nodes(self, *, cluster: str | None = None, at: datetime | None = None) -> list[NodeRow]:
        """Returns nodes, and machines without a node, now or at a past moment.

        Marks and conditions (cordon, taints, Ready) have no history: at a past moment they are those at the end of the
        interval in which the facts of node and machine were the same.
        """
        then = None if at is None else self._database.bind(at)
        with self._database.read() as transaction:
            sites = _sites(transaction)
            nodes = facts.as_of(transaction, NODE, cluster, then, *COLUMNS)
            machines = facts.as_of(transaction, MACHINE, cluster, then, *COLUMNS)
            pods = _pods(transaction, cluster, then)
        found: dict[tuple[str, str], tuple[Row | None, Row | None]] = {
            (row[0], row[1]): (row, None) for row in nodes
        }
        for row in machines:
            key = (row[0], row[1])
            found[key] = (found[key][0] if key in found else None, row)
        return [
            _node_row(name, sites.get(name[0], ""), node, machine, pods.get(name, 0))
            for name, (node, machine) in sorted(found.items(), key=lambda item: item[0])
        ]

    def snapshot(self, cluster: str, at: datetime | None = None) -> Snapshot:
        """Returns the cluster as completely as a plan needs it: as it was last seen, or at a past moment (see
        `nodes`).

        Raises UsageError where the fleet has no such cluster.
        """
        then = None if at is None else self._database.bind(at)
        with self._database.read() as transaction:
            row = next((row for row in clusters.listed(transaction) if row.name == cluster), None)
            if row is None:
                raise _unknown(cluster)
            when = at or row.last_seen or _latest(transaction, cluster)
            return Snapshot(
                cluster=cluster,
                site=row.sites[0] if row.sites else "",
                at=in_utc(when) if when is not None else EVER,
                server_version=row.server_version,
                nodes=_things(transaction, NODE, cluster, then),
                pods=_things(transaction, POD, cluster, then),
                budgets=_things(transaction, BUDGET, cluster, then),
                workloads=_things(transaction, WORKLOAD, cluster, then),
                machines=_things(transaction, MACHINE, cluster, then),
                quorums=_things(transaction, QUORUM, cluster, then),
                maintenances=_things(transaction, MAINTENANCE, cluster, then),
            )

    def quorums(self) -> list[tuple[str, Quorum]]:
        """Returns the quorum groups of all clusters as they were read last, each with its cluster, sorted by name."""
        with self._database.read() as transaction:
            rows = facts.as_of(transaction, QUORUM, None, None, "cluster", "name", "fact", "state")
        return [(row[0], QUORUM.thing(row[2], row[3])) for row in sorted(rows, key=lambda row: row[:2])]

    def history(self, cluster: str, node: str) -> list[FactChange]:
        """Returns what a node ran and when, oldest first. A change of what is not shown (labels, say) starts no new
        interval."""
        with self._database.read() as transaction:
            kubelet = [_change("kubelet", row) for row in transaction.all(NODE_HISTORY, [cluster, node])]
            agent = [_change("agent", row) for row in transaction.all(MACHINE_HISTORY, [cluster, node])]
        return sorted([*_joined(kubelet), *_joined(agent)], key=lambda change: (change.begin, change.told_by))

    def boots(self) -> list[tuple[str, str, str, datetime]]:
        """Returns every boot of a node that was seen: cluster, node, boot id, and when the boot was first seen. In the
        order of time."""
        with self._database.read() as transaction:
            rows = transaction.all(
                "SELECT cluster, name, boot_id, min(valid_from) FROM node WHERE boot_id <> '' "
                "GROUP BY cluster, name, boot_id ORDER BY min(valid_from), cluster, name"
            )
        return [(cluster, node, boot_id, moment(first)) for cluster, node, boot_id, first in rows]

    def ends(self) -> dict[tuple[str, str], datetime]:
        """Returns, by cluster and node, when the nodes that are no longer there were last seen."""
        with self._database.read() as transaction:
            rows = transaction.all(
                "SELECT cluster, name, max(valid_to) FROM node GROUP BY cluster, name "
                "HAVING count(*) = count(valid_to)"
            )
        return {(cluster, node): moment(last) for cluster, node, last in rows}

    def forget(self, retention: Retention, *, at: datetime, most: int = FORGOTTEN_AT_ONCE) -> int:
        """Deletes intervals that ended longer before `at` than `retention` allows, up to `most` of each kind of
        object, and returns how many. Facts that hold now are kept. No lock is taken where there is nothing to
        delete."""
        kept = ((kind, retention.nodes if kind in RUNNING else retention.others) for kind in KINDS)
        bounds = [(kind, self._database.bind(at - long)) for kind, long in kept if long is not None]
        with self._database.read() as transaction:
            ended = [pair for pair in bounds if facts.any_ended(transaction, *pair)]
        if not ended:
            return 0
        with self._database.write("forget") as transaction:
            return sum(facts.forget(transaction, kind, before, most) for kind, before in ended)


News = tuple[FactKind[Any], Sequence[Any], Sequence[tuple[str, ...]]]
RUNNING = (NODE, MACHINE)
"""The kinds of objects that show which release a node ran."""
EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""`at` of the snapshot of a cluster that has never been read."""
COLUMNS = ("cluster", "name", "fact", "state", "since")
NODE_HISTORY = (
    "SELECT valid_from, valid_to, source, os_image, '', '', kernel, boot_id FROM node "
    "WHERE cluster = ? AND name = ? ORDER BY valid_from"
)
MACHINE_HISTORY = (
    "SELECT valid_from, valid_to, source, os, version, digest, kernel, boot_id FROM machine "
    "WHERE cluster = ? AND name = ? ORDER BY valid_from"
)


def _refuse_unknown(transaction: Transaction, cluster: str) -> None:
    if transaction.one("SELECT 1 FROM cluster WHERE name = ? AND removed_at IS NULL", [cluster]) is None:
        raise _unknown(cluster)


def _unknown(cluster: str) -> UsageError:
    return UsageError(f"no cluster {cluster}", "fleet cluster add")


def _sites(transaction: Transaction) -> dict[str, str]:
    """Returns, by cluster, the site of nodes that do not name theirs."""
    return dict(transaction.all("SELECT cluster, site FROM cluster_site WHERE position = 0"))


def _pods(transaction: Transaction, cluster: str | None, then: Any | None) -> dict[tuple[str, str], int]:
    """Returns how many pods are bound to each node."""
    where = "valid_to IS NULL" if then is None else "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)"
    values = [] if then is None else [then, then]
    if cluster is not None:
        where, values = f"cluster = ? AND {where}", [cluster, *values]
    rows = transaction.all(
        f"SELECT cluster, node, count(*) FROM pod WHERE {where} GROUP BY cluster, node",  # noqa: S608
        values,
    )
    return {(name, node): count for name, node, count in rows}


def _node_row(name: tuple[str, str], site: str, node: Row | None, machine: Row | None, pods: int) -> NodeRow:
    known = None if node is None else NODE.thing(node[2], node[3])
    under = None if machine is None else MACHINE.thing(machine[2], machine[3])
    witness = machine if under is not None and under.booted is not None else node
    if known is not None:
        site = known.labels.get(SITE_LABEL, site)
    return NodeRow(*name, site, known, under, pods, None if witness is None else moment(witness[4]))


def _things(transaction: Transaction, kind: FactKind[T], cluster: str, then: Any | None) -> tuple[T, ...]:
    """Returns the objects sorted by name."""
    rows = facts.as_of(transaction, kind, cluster, then, *kind.key, "fact", "state")
    rows.sort(key=lambda row: row[:-2])
    return tuple(kind.thing(row[-2], row[-1]) for row in rows)


def _latest(transaction: Transaction, cluster: str) -> datetime | None:
    row = transaction.one("SELECT max(valid_from) FROM node WHERE cluster = ?", [cluster])
    return None if row is None else moment_or_none(row[0])


def _change(told_by: Literal["kubelet", "agent"], row: Row) -> FactChange:
    begin, end, source, *runs = row
    return FactChange(moment(begin), moment_or_none(end), told_by, source, *runs)


def _joined(changes: Sequence[FactChange]) -> list[FactChange]:
    """Merges consecutive intervals that show the same."""
    joined: list[FactChange] = []
    for change in changes:
        last = joined[-1] if joined else None
        if last is not None and last.end == change.begin and _runs(last) == _runs(change):
            joined[-1] = FactChange(last.begin, change.end, last.told_by, last.source, *_runs(last))
        else:
            joined.append(change)
    return joined


def _runs(change: FactChange) -> tuple[str, str, str, str, str]:
    return change.os, change.version, change.digest, change.kernel, change.boot_id
