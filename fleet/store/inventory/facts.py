"""Compares objects with their rows, and writes only the differences. Each object has one row, as it is now.

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
    """The number of objects that were written."""

    opened: int = 0
    """New objects."""
    closed: int = 0
    """Objects that are gone."""
    updated: int = 0
    """Known objects that changed."""

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed or self.updated)

    def __add__(self, other: Changes) -> Changes:
        return Changes(self.opened + other.opened, self.closed + other.closed, self.updated + other.updated)


class Current(NamedTuple):
    """A row as it was before the write."""

    id: int
    fact: str
    state: str
    content: int
    source: str
    valid_from: Any
    """The value of the database, of the same type and order as a time that was bound (`SqlDatabase.bind`)."""


class Writing(NamedTuple):
    """The values that all rows of one write share."""

    cluster: str
    at: Any
    """The time of the observation, as bound by the database."""
    source: str


def news(
    transaction: Transaction, kind: FactKind[T], cluster: str, things: Sequence[T]
) -> tuple[list[T], list[FactKey]]:
    """Returns the objects that differ from the known ones, and the keys of known objects that are missing among
    `things`."""
    columns = ", ".join([*kind.key, "content"])
    rows = transaction.all(f"SELECT {columns} FROM {kind.table} WHERE cluster = ?", [cluster])
    known: dict[FactKey, int] = {row[:-1]: row[-1] for row in rows}
    changed = [thing for thing in things if known.pop(kind.key_of(thing), None) != kind.content_of(thing)]
    return changed, list(known)


def write(
    transaction: Transaction, kind: FactKind[T], writing: Writing, seen: Sequence[T], gone: Iterable[FactKey]
) -> Changes:
    """Writes objects: those in `seen` are as given from now on, and those in `gone` are no longer there."""
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
        self._adding: list[Row] = []
        self._changing: list[Row] = []
        self._updating: list[Row] = []
        self._hashing: list[Row] = []
        self._deleting: list[Row] = []

    def see(self, key: FactKey, thing: T, before: Current | None) -> None:
        """Compares an object with its row, and collects the rows to be written."""
        kind, (cluster, at, source) = self._kind, self._writing
        content = kind.content_of(thing)
        if before is not None and (before.content == content or self._is_newer(before)):
            return
        fact, state = kind.fact_of(thing), kind.state_of(thing)
        if before is None:
            self._adding.append((*kind.values_of(thing), fact, state, content, source, at, cluster, *key))
        elif before.fact != fact:
            self._changing.append((*kind.values_of(thing), fact, state, content, source, at, before.id))
        elif before.state != state:
            self._updating.append((state, content, source, at, before.id))
        else:
            # Only how the hash is made has changed, as with a newer fleet that knows more fields.
            self._hashing.append((content, before.id))

    def end(self, before: Current) -> None:
        if not self._is_newer(before):
            self._deleting.append((before.id,))

    def _is_newer(self, before: Current) -> bool:
        """Returns whether another source has reported the object after this write's observation: a list that took its
        time does not undo what a watch has reported meanwhile. (Of one source, the later write counts, also when the
        clock was put back.)"""
        return before.valid_from > self._writing.at and before.source != self._writing.source

    def perform(self, transaction: Transaction) -> Changes:
        """Writes the collected rows, and returns how many objects are new, gone and changed."""
        kind = self._kind
        columns = [*kind.columns, "fact", "state", "content", "source", "valid_from"]
        assigned = ", ".join(f"{name} = ?" for name in columns)
        inserted = [*columns, "cluster", *kind.key]
        marks = ", ".join("?" for _ in inserted)
        for sql, rows in (
            (f"DELETE FROM {kind.table} WHERE id = ?", self._deleting),
            (f"UPDATE {kind.table} SET {assigned} WHERE id = ?", self._changing),
            (
                f"UPDATE {kind.table} SET state = ?, content = ?, source = ?, valid_from = ? WHERE id = ?",
                self._updating,
            ),
            (f"UPDATE {kind.table} SET content = ? WHERE id = ?", self._hashing),
            (f"INSERT INTO {kind.table} ({', '.join(inserted)}) VALUES ({marks})", self._adding),
        ):
            if rows:
                transaction.many(sql, rows)
        return Changes(len(self._adding), len(self._deleting), len(self._changing) + len(self._updating))


def current(
    transaction: Transaction, kind: FactKind[T], cluster: str, keys: Collection[FactKey]
) -> dict[FactKey, Current]:
    """Returns the rows of these objects."""
    columns = ", ".join([*kind.key, *Current._fields])
    rows = rows_of(transaction, kind, cluster, keys, columns)
    return {row[: len(kind.key)]: Current(*row[len(kind.key) :]) for row in rows}


def rows_of(
    transaction: Transaction, kind: FactKind[T], cluster: str, keys: Collection[FactKey], columns: str
) -> list[Row]:
    """Reads columns of the rows of these objects, and where there are many, of all objects of the cluster."""
    if not keys:
        return []
    every = f"SELECT {columns} FROM {kind.table} WHERE cluster = ?"
    if len(keys) > FEW:
        return transaction.all(every, [cluster])
    one = f"{every} AND {' AND '.join(f'{name} = ?' for name in kind.key)}"
    return [row for key in keys if (row := transaction.one(one, [cluster, *key])) is not None]


def now(transaction: Transaction, kind: FactKind[T], cluster: str | None, *columns: str) -> list[Row]:
    """Reads columns of all rows; without `cluster`, those of all clusters."""
    where = "" if cluster is None else " WHERE cluster = ?"
    sql = f"SELECT {', '.join(columns)} FROM {kind.table}{where}"
    return transaction.all(sql, [] if cluster is None else [cluster])
