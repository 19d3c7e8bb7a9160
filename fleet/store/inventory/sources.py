"""Sources outside of the clusters: what each has of which machines, now and at any past moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.records.errors import StoreError, UsageError
from fleet.core.sources.record import MachineRecord, SourcedRecord, SourceKind
from fleet.store.db.database import TAMPERED, Row, SqlDatabase, Transaction, moment

LOCK = "sources"
ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODE = msgspec.json.Decoder(MachineRecord).decode


class SourceRow(Struct, frozen=True):
    """A source, as it was imported last."""

    name: str
    kind: SourceKind
    file: str
    imported_at: datetime
    imported_by: str
    machines: int = 0


class SourceChanges(Struct, frozen=True):
    """The changes that an import has made, in machines."""

    added: int = 0
    changed: int = 0
    gone: int = 0
    same: int = 0


class SqlSources:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def replace(self, row: SourceRow, records: Collection[SourcedRecord]) -> SourceChanges:
        """Replaces all that is known by a source: machines that it does not have any more are gone. Only what differs
        begins a new interval; an unchanged record has only its `seen` renewed."""
        at = self._database.bind(row.imported_at)
        wanted = {record.machine.key: record for record in records}
        with self._database.write(LOCK) as transaction:
            known: dict[str, str] = dict(
                transaction.all(
                    "SELECT key, body FROM source_record WHERE source = ? AND valid_to IS NULL", [row.name]
                )
            )
            bodies = {key: ENCODER.encode(record.machine).decode() for key, record in wanted.items()}
            same = {key for key, body in bodies.items() if known.get(key) == body}
            begun = [key for key in wanted if key not in same]
            ended = [key for key in known if key not in same]
            _end(transaction, row.name, ended, at)
            transaction.many(
                "INSERT INTO source_record (source, key, valid_from, valid_to, seen, body) VALUES (?, ?, ?, NULL, ?, ?)",
                [(row.name, key, at, self._database.bind(wanted[key].seen), bodies[key]) for key in begun],
            )
            transaction.many(
                "UPDATE source_record SET seen = ? WHERE source = ? AND key = ? AND valid_to IS NULL AND seen <> ?",
                [
                    (seen, row.name, key, seen)
                    for key, record in wanted.items()
                    if key in same
                    for seen in [self._database.bind(record.seen)]
                ],
            )
            transaction.run(
                "INSERT INTO source (name, kind, file, imported_at, imported_by) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, file = excluded.file, "
                "imported_at = excluded.imported_at, imported_by = excluded.imported_by",
                [row.name, row.kind, row.file, at, row.imported_by],
            )
        new = sum(key not in known for key in begun)
        gone = sum(key not in wanted for key in ended)
        return SourceChanges(new, len(begun) - new, gone, len(same))

    def remove(self, name: str, *, at: datetime) -> int:
        """Removes a source and returns how many machines it had; what it said stays in the history. Raises UsageError
        where there is none."""
        with self._database.write(LOCK) as transaction:
            if not transaction.run("DELETE FROM source WHERE name = ?", [name]):
                known = [row[0] for row in transaction.all("SELECT name FROM source ORDER BY name")]
                raise UsageError(f"there is no source {name}", f"there is: {', '.join(known) or 'none'}")
            keys = [
                key
                for (key,) in transaction.all(
                    "SELECT key FROM source_record WHERE source = ? AND valid_to IS NULL", [name]
                )
            ]
            _end(transaction, name, keys, self._database.bind(at))
        return len(keys)

    def list(self) -> Sequence[SourceRow]:
        """Returns the sources, sorted by name."""
        with self._database.read() as transaction:
            rows = transaction.all(
                "SELECT name, kind, file, imported_at, imported_by, (SELECT count(*) FROM source_record "
                "WHERE source = source.name AND valid_to IS NULL) FROM source ORDER BY name"
            )
        return [
            SourceRow(name, kind, file, moment(at), by, count) for name, kind, file, at, by, count in rows
        ]

    def records(self, at: datetime | None = None) -> Sequence[SourcedRecord]:
        """Returns what all sources have now, or had at a past moment."""
        where, values = "valid_to IS NULL", []
        if at is not None:
            where, values = (
                "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)",
                [self._database.bind(at)] * 2,
            )
        with self._database.read() as transaction:
            rows = transaction.all(
                f"SELECT source, seen, body FROM source_record WHERE {where} ORDER BY source, key",  # noqa: S608
                values,
            )
        return [_record(row) for row in rows]


def forget(database: SqlDatabase, before: Any) -> int:
    """Deletes intervals that ended by the bound time `before`, and returns how many. No lock is taken where there is
    nothing to delete."""
    with database.read() as transaction:
        if transaction.one("SELECT 1 FROM source_record WHERE valid_to <= ? LIMIT 1", [before]) is None:
            return 0
    with database.write(LOCK) as transaction:
        return transaction.run("DELETE FROM source_record WHERE valid_to <= ?", [before])


def _end(transaction: Transaction, source: str, keys: Collection[str], at: Any) -> None:
    """Ends the intervals that are open; one that began at that very moment was never so, and is deleted."""
    transaction.many(
        "DELETE FROM source_record WHERE source = ? AND key = ? AND valid_to IS NULL AND valid_from >= ?",
        [(source, key, at) for key in keys],
    )
    transaction.many(
        "UPDATE source_record SET valid_to = ? WHERE source = ? AND key = ? AND valid_to IS NULL",
        [(at, source, key) for key in keys],
    )


def _record(row: Row) -> SourcedRecord:
    source, seen, body = row
    try:
        return SourcedRecord(source, moment(seen), _DECODE(body))
    except (msgspec.DecodeError, TypeError) as error:
        raise StoreError(f"a row of source_record cannot be read: {error}", TAMPERED) from None
