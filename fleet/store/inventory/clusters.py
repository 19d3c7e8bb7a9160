"""The clusters of the fleet: how to connect to each, its sites, and when it last answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.records.errors import UsageError
from fleet.store.db.database import Row, SqlDatabase, Transaction, moment_or_none
from fleet.store.history import contacts, intervals
from fleet.store.inventory.facts import Writing
from fleet.store.inventory.kinds import KINDS

LOCK = "cluster"
COLUMNS = "name, kind, kubeconfig, context, uid, server_version, last_seen, last_error, error_since"


class ClusterRow(Struct, frozen=True, kw_only=True):
    name: str
    sites: tuple[str, ...] = ()
    """The sites of the cluster. The first is the site of nodes that do not name theirs."""
    kind: Literal["kubeconfig", "simulated", "hosts"] = "kubeconfig"
    kubeconfig: str = ""
    """Path of the kubeconfig, or several paths, one a line, which are merged like those of KUBECONFIG; empty: the
    service account of the pod that fleet runs in. For hosts without a cluster: the path of their inventory."""
    context: str = ""
    """The context of the kubeconfig; empty: its current context."""
    uid: str = ""
    """The uid of the namespace kube-system: the identity of the cluster under any name."""
    server_version: str = ""
    last_seen: datetime | None = None
    last_error: str = ""
    """Why the cluster does not answer; empty while it does."""
    error_since: datetime | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Returns the paths of the cluster's kubeconfigs."""
        return tuple(Path(part) for part in self.kubeconfig.split("\n"))

    @property
    def in_pod(self) -> bool:
        """Returns whether the cluster is the one that fleet's pod runs in, reached by the pod's service account."""
        return self.kind == "kubeconfig" and not self.kubeconfig

    @property
    def site(self) -> str:
        """Returns the site of nodes that do not name theirs; empty where no site is known."""
        return self.sites[0] if self.sites else ""


class Clusters:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def add(self, row: ClusterRow) -> None:
        """Adds a cluster. Raises UsageError where the fleet already has one of that name, or the same cluster under
        another name.

        A cluster that was removed under this name is restored, with its history.
        """
        with self._database.write(LOCK) as transaction:
            same = transaction.one(
                "SELECT name FROM cluster WHERE removed_at IS NULL AND (name = ? OR (uid = ? AND uid <> ''))",
                [row.name, row.uid],
            )
            if same is not None and same[0] == row.name:
                raise UsageError(f"cluster {row.name} is in the fleet already", "fleet cluster list")
            if same is not None:
                raise UsageError(
                    f"this cluster is in the fleet already, as {same[0]}", f"fleet cluster remove {same[0]}"
                )
            self._write(transaction, row)

    def update(self, row: ClusterRow) -> None:
        """Replaces the whole row of the cluster of that name. Raises UsageError where there is none."""
        with self._database.write(LOCK) as transaction:
            _refuse_unknown(transaction, row.name)
            self._write(transaction, row)

    def get(self, name: str) -> ClusterRow:
        """Returns the cluster of that name. Raises UsageError where the fleet has none."""
        found = {row.name: row for row in self.list()}
        if name not in found:
            raise UsageError(
                f"no cluster {name}",
                f"known: {', '.join(found)}"
                if found
                else "fleet cluster import adds those of your kubeconfig, fleet cluster add a single one",
            )
        return found[name]

    def at(self, at: datetime) -> Sequence[ClusterRow]:
        """Returns the clusters that were in the fleet at a past moment and that fleet had tried to reach by then, as
        it had seen them by then: `last_seen` and `last_error` are of that moment. Sorted by name."""
        with self._database.read() as transaction:
            rows = listed(transaction, self._database.bind(at))
            known = contacts.contacts_at(
                self._database, transaction, at, {row.name: row.last_seen for row in rows}
            )
        return [
            replace(
                row,
                last_seen=contact.last_seen,
                last_error=contact.error,
                error_since=contact.error_since,
                server_version=contact.version,
            )
            for row in rows
            if (contact := known.get(row.name)) is not None
        ]

    def list(self) -> list[ClusterRow]:
        """Returns all clusters, sorted by name."""
        with self._database.read() as transaction:
            return listed(transaction)

    def remove(self, name: str, *, at: datetime) -> None:
        """Marks a cluster, and all objects in it, as no longer in the fleet; the history up to `at` stays.

        Raises UsageError where the fleet has none of that name.
        """
        bound = self._database.bind(at)
        with self._database.write(LOCK) as transaction:
            _refuse_unknown(transaction, name)
            for kind in KINDS:
                transaction.run(f"DELETE FROM {kind.table} WHERE cluster = ?", [name])  # noqa: S608
            intervals.write(transaction, Writing(name, bound, "remove"), intervals.names(transaction, name))
            contacts.ended(self._database, transaction, name, at)
            transaction.run("UPDATE cluster SET removed_at = ? WHERE name = ?", [bound, name])

    def touch(self, name: str, *, at: datetime, error: str = "", version: str = "") -> None:
        """Records that the cluster answered at `at`, or why it did not (`error`). An empty `version` leaves the known
        version as it is.

        Raises UsageError where the fleet has none of that name.
        """
        bound = self._database.bind(at)
        with self._database.write(LOCK) as transaction:
            before = _last_seen(transaction, name)
            if error:
                contacts.failed(self._database, transaction, name, at, before, error)
                transaction.run(
                    "UPDATE cluster SET last_error = ?, error_since = coalesce(error_since, ?) WHERE name = ?",
                    [error, bound, name],
                )
            else:
                contacts.answered(self._database, transaction, name, at, before, version)
                transaction.run(
                    "UPDATE cluster SET last_seen = ?, last_error = '', error_since = NULL, "
                    "server_version = CASE WHEN ? = '' THEN server_version ELSE ? END WHERE name = ?",
                    [bound, version, version, name],
                )

    def _write(self, transaction: Transaction, row: ClusterRow) -> None:
        seen, since = (
            None if at is None else self._database.bind(at) for at in (row.last_seen, row.error_since)
        )
        columns = (row.name, row.kind, row.kubeconfig, row.context, row.uid, row.server_version)
        transaction.run(
            f"INSERT INTO cluster ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
            "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, kubeconfig = excluded.kubeconfig, "
            "context = excluded.context, uid = excluded.uid, server_version = excluded.server_version, "
            "last_seen = excluded.last_seen, last_error = excluded.last_error, "
            "error_since = excluded.error_since, removed_at = NULL",
            [*columns, seen, row.last_error, since],
        )
        transaction.run("DELETE FROM cluster_site WHERE cluster = ?", [row.name])
        for position, site in enumerate(dict.fromkeys(row.sites)):
            transaction.run("INSERT INTO site (name) VALUES (?) ON CONFLICT DO NOTHING", [site])
            transaction.run(
                "INSERT INTO cluster_site (cluster, site, position) VALUES (?, ?, ?)",
                [row.name, site, position],
            )


def listed(transaction: Transaction, at: Any = None) -> list[ClusterRow]:
    """Returns the clusters that are in the fleet, or that were not removed by a bound time."""
    sites: dict[str, list[str]] = {}
    for cluster, site in transaction.all("SELECT cluster, site FROM cluster_site ORDER BY cluster, position"):
        sites.setdefault(cluster, []).append(site)
    where, values = (
        ("removed_at IS NULL", []) if at is None else ("removed_at IS NULL OR removed_at > ?", [at])
    )
    rows = transaction.all(f"SELECT {COLUMNS} FROM cluster WHERE {where} ORDER BY name", values)  # noqa: S608
    return [_cluster(row, tuple(sites.get(row[0], ()))) for row in rows]


def _cluster(row: Row, sites: tuple[str, ...]) -> ClusterRow:
    name, kind, kubeconfig, context, uid, version, seen, error, since = row
    return ClusterRow(
        name=name,
        sites=sites,
        kind=kind,
        kubeconfig=kubeconfig,
        context=context,
        uid=uid,
        server_version=version,
        last_seen=moment_or_none(seen),
        last_error=error,
        error_since=moment_or_none(since),
    )


def _last_seen(transaction: Transaction, name: str) -> datetime | None:
    """Returns when the cluster answered last. Raises UsageError where the fleet has none of that name."""
    row = transaction.one("SELECT last_seen FROM cluster WHERE name = ? AND removed_at IS NULL", [name])
    if row is None:
        raise UsageError(f"no cluster {name}", "fleet cluster list")
    return moment_or_none(row[0])


def _refuse_unknown(transaction: Transaction, name: str) -> None:
    if transaction.one("SELECT 1 FROM cluster WHERE name = ? AND removed_at IS NULL", [name]) is None:
        raise UsageError(f"no cluster {name}", "fleet cluster list")


def first_sites(transaction: Transaction) -> dict[str, str]:
    """Returns, by cluster, the site of nodes that do not name theirs."""
    return dict(transaction.all("SELECT cluster, site FROM cluster_site WHERE position = 0"))
