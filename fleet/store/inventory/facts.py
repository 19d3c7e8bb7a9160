"""Compares objects with their rows of facts, and writes only the differences.

Names of tables and columns in the statements come from `fleet.store.inventory.kinds`, never from outside.
"""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Generic, NamedTuple

from msgspec import Struct

from fleet.store.db.database import Row, Transaction
from fleet.store.inventory.kinds import FactKey, FactKind, T

FEW = 500
"""The most objects that are looked up one by one; for more, all rows of the cluster are read."""


class Changes(Struct, frozen=True):
    """The number of rows that were written."""

    opened: int = 0
    """New objects, and new intervals of known ones."""
    closed: int = 0
    """Intervals that ended: the object changed or was deleted."""
    updated: int = 0
    """Objects whose state alone changed."""

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed or self.updated)

    def __add__(self, other: Changes) -> Changes:
        return Changes(self.opened + other.opened, self.closed + other.closed, self.updated + other.updated)


class Current(NamedTuple):
    """A row that is valid now."""

    id: int
    fact: str
    state: str
    valid_from: Any
    """The value of the database, of the same type and order as a time that was bound (`SqlDatabase.bind`)."""
    runs: Row
    since: Any


class Writing(NamedTuple):
    """The values that all rows of one write share."""

    cluster: str
    at: Any
    """The time of the write, as bound by the database."""
    source: str


def news(
    transaction: Transaction, kind: FactKind[T], cluster: str, things: Sequence[T]
) -> tuple[list[T], list[FactKey]]:
    """Returns the objects that differ from the known ones, and the keys of known objects that are missing among
    `things`."""
    names = ", ".join(kind.key)
    known: dict[FactKey, tuple[str, str]] = {
        tuple(row[:-2]): (row[-2], row[-1])
        for row in transaction.all(
            f"SELECT {names}, fact, state FROM {kind.table} WHERE cluster = ? AND valid_to IS NULL",
            [cluster],
        )
    }
    changed = [
        thing
        for thing in things
        if known.pop(kind.key_of(thing), None) != (kind.fact_of(thing), kind.state_of(thing))
    ]
    return changed, list(known)


def write(
    transaction: Transaction, kind: FactKind[T], writing: Writing, seen: Sequence[T], gone: Iterable[FactKey]
) -> Changes:
    """Writes objects: those in `seen` are valid from now on, and those in `gone` end now."""
    things = {kind.key_of(thing): thing for thing in seen}
    ended = [key for key in gone if key not in things]
    known = current(transaction, kind, writing.cluster, [*things, *ended])
    batch = Batch(kind, writing)
    for key, thing in things.items():
        batch.see(key, thing, known.get(key))
    for key in ended:
        if (before := known.get(key)) is not None:
            batch.end(before)
    return batch.perform(transaction)


class Batch(Generic[T]):
    """Rows to be written, grouped by statement."""

    def __init__(self, kind: FactKind[T], writing: Writing) -> None:
        self._kind = kind
        self._writing = writing
        self._opening: list[Row] = []
        self._closing: list[Row] = []
        self._updating: list[Row] = []
        self._overwriting: list[Row] = []
        self._deleting: list[Row] = []

    def see(self, key: FactKey, thing: T, before: Current | None) -> None:
        """Compares an object with its row that is valid now, and collects the rows to be written."""
        kind, (cluster, at, source) = self._kind, self._writing
        fact, state = kind.fact_of(thing), kind.state_of(thing)
        if before is not None and before.fact == fact:
            if before.state != state:
                self._updating.append((state, before.id))
            return
        values = kind.values_of(thing)
        since = _since(kind, values, before, at)
        if before is not None and before.valid_from >= at:
            # An interval of length zero would mean nothing.
            self._overwriting.append((*values, *since, fact, state, source, before.id))
            return
        if before is not None:
            self._closing.append((at, before.id))
        self._opening.append((*values, *since, fact, state, source, at, cluster, *key))

    def end(self, before: Current) -> None:
        if before.valid_from < self._writing.at:
            self._closing.append((self._writing.at, before.id))
        else:
            self._deleting.append((before.id,))

    def perform(self, transaction: Transaction) -> Changes:
        """Writes the collected rows, and returns how many intervals began and ended, and how many rows changed."""
        kind = self._kind
        columns = [*kind.columns, *(["since"] if kind.runs else []), "fact", "state", "source"]
        assigned = ", ".join(f"{name} = ?" for name in columns)
        inserted = [*columns, "valid_from", "cluster", *kind.key]
        marks = ", ".join("?" for _ in inserted)
        for sql, rows in (
            (f"UPDATE {kind.table} SET valid_to = ? WHERE id = ?", self._closing),
            (f"DELETE FROM {kind.table} WHERE id = ?", self._deleting),
            (f"UPDATE {kind.table} SET {assigned} WHERE id = ?", self._overwriting),
            (f"UPDATE {kind.table} SET state = ? WHERE id = ?", self._updating),
            (f"INSERT INTO {kind.table} ({', '.join(inserted)}) VALUES ({marks})", self._opening),
        ):
            if rows:
                transaction.many(sql, rows)
        return Changes(
            len(self._opening),
            len(self._closing) + len(self._deleting),
            len(self._updating) + len(self._overwriting),
        )


def current(
    transaction: Transaction, kind: FactKind[T], cluster: str, keys: Collection[FactKey]
) -> dict[FactKey, Current]:
    """Returns the rows of these objects that are valid now."""
    if not keys:
        return {}
    special = [*kind.runs, "since"] if kind.runs else []
    columns = ", ".join([*kind.key, "id", "fact", "state", "valid_from", *special])
    now = f"SELECT {columns} FROM {kind.table} WHERE cluster = ? AND valid_to IS NULL"
    if len(keys) > FEW:
        rows = transaction.all(now, [cluster])
    else:
        one = f"{now} AND {' AND '.join(f'{name} = ?' for name in kind.key)}"
        rows = [row for key in keys if (row := transaction.one(one, [cluster, *key])) is not None]
    return dict(_current(kind, row) for row in rows)


def _current(kind: FactKind[T], row: Row) -> tuple[FactKey, Current]:
    key, (ident, fact, state, valid_from, *runs) = row[: len(kind.key)], row[len(kind.key) :]
    since = runs.pop() if runs else None
    return key, Current(ident, fact, state, valid_from, tuple(runs), since)


def as_of(
    transaction: Transaction, kind: FactKind[T], cluster: str | None, at: Any | None, *columns: str
) -> list[Row]:
    """Reads `columns` of the rows that were valid at a bound time; None: now. Without `cluster`, the rows of all
    clusters are read."""
    then = "valid_to IS NULL" if at is None else "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)"
    where = then if cluster is None else f"cluster = ? AND {then}"
    values = [*([] if cluster is None else [cluster]), *([] if at is None else [at, at])]
    return transaction.all(f"SELECT {', '.join(columns)} FROM {kind.table} WHERE {where}", values)


def any_ended(transaction: Transaction, kind: FactKind[T], before: Any) -> bool:
    """Returns whether any interval ended at the bound time or earlier."""
    return transaction.one(f"SELECT 1 FROM {kind.table} WHERE valid_to <= ? LIMIT 1", [before]) is not None


def forget(transaction: Transaction, kind: FactKind[T], before: Any, most: int) -> int:
    """Deletes up to `most` intervals that ended at the bound time or earlier, the oldest first, and returns how
    many."""
    oldest = f"SELECT id FROM {kind.table} WHERE valid_to <= ? ORDER BY valid_to LIMIT ?"
    return transaction.run(f"DELETE FROM {kind.table} WHERE id IN ({oldest})", [before, most])


def _since(kind: FactKind[T], values: Row, before: Current | None, at: Any) -> Row:
    """Returns the value of the column `since`, where the table has one."""
    if not kind.runs:
        return ()
    found = dict(zip(kind.columns, values, strict=True))
    same = before is not None and before.runs == tuple(found[name] for name in kind.runs)
    return (before.since if before is not None and same else at,)
