"""Keeps when clusters answered, and when they did not: without it, nobody could say how old a fact of a past day was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from fleet.store.db.database import SqlDatabase, Transaction, moment

SILENCE = timedelta(minutes=15)
"""A cluster that answers again within this time has been seen all the time."""
_LAST = (
    "SELECT valid_from, valid_to, version, error FROM cluster_contact WHERE cluster = ? "
    "ORDER BY valid_from DESC LIMIT 1"
)
_INSERT = "INSERT INTO cluster_contact (cluster, valid_from, valid_to, version, error) VALUES (?, ?, ?, ?, ?)"


class Contact(NamedTuple):
    """Says what was known of the contact with one cluster at a moment."""

    last_seen: datetime | None
    """When the cluster had answered last by then. None: it had never answered."""
    version: str
    """The version of its API server when it had answered last."""
    error: str
    """Why it did not answer at that moment. Empty: no failed attempt is known since it had answered last."""
    error_since: datetime | None


class _Row(NamedTuple):
    begin: datetime
    end: datetime | None
    version: str
    error: str


def answered(
    database: SqlDatabase,
    transaction: Transaction,
    cluster: str,
    at: datetime,
    before: datetime | None,
    version: str,
) -> None:
    """Writes that the cluster answered. `before`: when it had answered last. Nothing is written while it goes on to
    answer: the row goes on, and `cluster.last_seen` has its end."""
    last = _last(transaction, cluster)
    if last is not None and last.begin >= at:
        # The clock was put back, or another process has written a later answer: no row may begin before the last one.
        return
    if last is not None and last.end is None:
        if not last.error and before is not None and at - before <= SILENCE and version in ("", last.version):
            return
        end = at if last.error or before is None else max(before, last.begin)
        _close(database, transaction, cluster, last, end)
    known = version or (last.version if last is not None else "")
    transaction.run(_INSERT, [cluster, database.bind(at), None, known, ""])


def failed(
    database: SqlDatabase,
    transaction: Transaction,
    cluster: str,
    at: datetime,
    before: datetime | None,
    error: str,
) -> None:
    """Writes why the cluster did not answer. `before`: when it had answered last."""
    last = _last(transaction, cluster)
    if last is not None and last.begin >= at:
        return
    if last is not None and last.end is None:
        if last.error:
            return
        _close(
            database, transaction, cluster, last, last.begin if before is None else max(before, last.begin)
        )
    known = last.version if last is not None else ""
    transaction.run(_INSERT, [cluster, database.bind(at), None, known, error])


def ended(database: SqlDatabase, transaction: Transaction, cluster: str, at: datetime) -> None:
    """Writes that the cluster is no longer in the fleet."""
    last = _last(transaction, cluster)
    if last is not None and last.end is None:
        _close(database, transaction, cluster, last, max(at, last.begin))


def contacts_at(
    database: SqlDatabase, transaction: Transaction, at: datetime, last_seen: Mapping[str, datetime | None]
) -> dict[str, Contact]:
    """Returns the contact with each cluster that was known at the moment. `last_seen`: when each cluster has answered
    last by now."""
    rows = transaction.all(
        "SELECT cluster, valid_from, valid_to, version, error FROM cluster_contact WHERE valid_from <= ? "
        "ORDER BY cluster, valid_from",
        [database.bind(at)],
    )
    found: dict[str, Contact] = {}
    for cluster, begin, end, version, error in rows:
        row = _row(begin, end, version, error)
        before = found.get(cluster)
        if error:
            current = row.end is None or row.end > at
            seen = before.last_seen if before is not None else None
            found[cluster] = Contact(seen, version, error if current else "", row.begin if current else None)
        else:
            latest = row.end or last_seen.get(cluster) or row.begin
            found[cluster] = Contact(min(at, max(latest, row.begin)), version, "", None)
    return found


def forget(transaction: Transaction, cluster: str, before: Any) -> None:
    """Deletes what was known before the bound time, so that nothing that was forgotten looks as if it had not been
    there."""
    transaction.run("DELETE FROM cluster_contact WHERE cluster = ? AND valid_to <= ?", [cluster, before])
    transaction.run(
        "UPDATE cluster_contact SET valid_from = ? WHERE cluster = ? AND valid_from < ?",
        [before, cluster, before],
    )


def seen_before(transaction: Transaction, cluster: str, at: Sequence[Any]) -> dict[Any, datetime]:
    """Returns, for each of the bound times at which the cluster answered again after nobody had asked, or after it had
    not answered, when it had answered last before."""
    rows = transaction.all(
        "SELECT valid_from, valid_to, version, error FROM cluster_contact WHERE cluster = ? ORDER BY valid_from",
        [cluster],
    )
    found: dict[Any, datetime] = {}
    last: datetime | None = None
    for row in rows:
        if row[0] in at and last is not None and not row[3]:
            found[row[0]] = last
        if not row[3] and row[1] is not None:
            last = moment(row[1])
    return found


def _last(transaction: Transaction, cluster: str) -> _Row | None:
    row = transaction.one(_LAST, [cluster])
    return None if row is None else _row(*row)


def _row(begin: Any, end: Any, version: str, error: str) -> _Row:
    return _Row(moment(begin), None if end is None else moment(end), version, error)


def _close(database: SqlDatabase, transaction: Transaction, cluster: str, last: _Row, end: datetime) -> None:
    transaction.run(
        "UPDATE cluster_contact SET valid_to = ? WHERE cluster = ? AND valid_from = ?",
        [database.bind(end), cluster, database.bind(last.begin)],
    )
