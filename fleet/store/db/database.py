"""The interface that the tables of the store need of a database: transactions, and timestamps that are read as aware
UTC.

Statements go to the driver as they are, with `?` for a value: importing SQLAlchemy or SQLModel costs more than
answering `fleet status` does. The tables are defined in `fleet.store.db.tables`; only migrations need that file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from fleet.core.records.errors import StoreError
from fleet.store.db.address import DatabaseAddress

Row = tuple[Any, ...]

TAMPERED = "another program has written to it: fleet audit verify shows whether the journal is intact"
"""The remedy for rows that fleet has not written."""
BUSY_SECONDS = 10
"""Seconds that a writer waits for another writer before it gives up."""


class Transaction(Protocol):
    """A transaction that is open until its `with` block ends: committed at the end, rolled back if anything was
    raised."""

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None: ...

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Runs a statement and returns how many rows were changed."""
        ...

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...


class SqlDatabase(Protocol):
    """One connection. Errors of its driver are never raised: only StoreError, with a remedy."""

    address: DatabaseAddress

    def read(self) -> AbstractContextManager[Transaction]:
        """Opens a transaction in which every read sees the same moment. The transaction does not wait for writers."""
        ...

    def write(self, lock: str) -> AbstractContextManager[Transaction]:
        """Opens a transaction that writes. Writers with the same lock run one after another, from the start of the
        transaction on.

        SQLite has one lock for the whole file; on PostgreSQL writers with different locks don't wait for each other.
        """
        ...

    def bind(self, at: datetime) -> Any:
        """Returns a time as this database takes it as a value. Raises ValueError for a naive one."""
        ...

    def tables(self) -> set[str]: ...

    def settle(self) -> None:
        """Writes the settings that are kept in the database. Called once, when the database is known to be fleet's."""
        ...

    def close(self) -> None: ...


def is_row(row: Row, types: Sequence[type | tuple[type, ...]]) -> bool:
    """Returns whether the values have the types of a row: SQLite stores values of any type in any column."""
    return len(row) == len(types) and all(map(isinstance, row, types))


def in_utc(at: datetime) -> datetime:
    """Returns the time in UTC. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {at}")
    return at.astimezone(UTC)


def moment(value: str | datetime) -> datetime:
    """Returns a time that the database answered, in aware UTC. Raises StoreError for a value that fleet cannot have
    written."""
    try:
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    except (ValueError, OverflowError, AttributeError):
        raise StoreError(f"the database has {value!r} where a time should be", TAMPERED) from None


def moment_or_none(value: str | datetime | None) -> datetime | None:
    return None if value is None else moment(value)
