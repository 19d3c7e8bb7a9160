"""What the tables of the store need of a database: transactions, and moments that come back aware.

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

TAMPERED = "somebody else has written into it: fleet audit verify says whether the journal is whole"
"""What to do about rows that no fleet has written."""
BUSY_SECONDS = 10
"""A writer waits so long for another before it gives up."""


class Transaction(Protocol):
    """A transaction that is open until its `with` ends: committed there, rolled back if anything was raised."""

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None: ...

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Runs a statement and returns how many rows were changed."""
        ...

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...


class SqlDatabase(Protocol):
    """One connection. Nothing of its driver is raised: only StoreError, with a hint."""

    address: DatabaseAddress

    def read(self) -> AbstractContextManager[Transaction]:
        """Opens a transaction in which all that is read is of one moment. It does not wait for writers."""
        ...

    def write(self, lock: str) -> AbstractContextManager[Transaction]:
        """Opens a transaction that writes. Writers of the same lock go one after the other, from the beginning of the
        transaction.

        SQLite has one lock for the whole file; on PostgreSQL writers of different locks don't wait for each other.
        """
        ...

    def bind(self, at: datetime) -> Any:
        """Returns a moment as this database takes it as a value. Raises ValueError for a naive one."""
        ...

    def tables(self) -> set[str]: ...

    def settle(self) -> None:
        """Writes the settings that are kept in the database. Called once, when the database is known to be fleet's."""
        ...

    def close(self) -> None: ...


def is_row(row: Row, types: Sequence[type | tuple[type, ...]]) -> bool:
    """Returns whether the values are of a row's types: SQLite keeps in a column whatever somebody writes there."""
    return all(isinstance(value, each) for value, each in zip(row, types, strict=True))


def in_utc(at: datetime) -> datetime:
    """Returns the moment in UTC. Raises ValueError for a naive moment."""
    if at.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {at}")
    return at.astimezone(UTC)


def moment(value: str | datetime) -> datetime:
    """Returns, in aware UTC, a moment that the database answered. Raises StoreError for a value that no fleet has
    written there."""
    try:
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    except (ValueError, OverflowError, AttributeError):
        raise StoreError(f"the database has {value!r} where a time should be", TAMPERED) from None


def moment_or_none(value: str | datetime | None) -> datetime | None:
    return None if value is None else moment(value)
