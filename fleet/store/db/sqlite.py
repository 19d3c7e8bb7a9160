"""SQLite: one file in WAL mode, so that readers never wait.

`synchronous=FULL` is set because in WAL mode NORMAL may lose the last commits when the power fails, and an intent that
was committed before its action must still exist afterwards. The setting costs one fsync for each commit.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from threading import RLock
from typing import Any

from fleet.core.records.errors import NoRoomError, ReadOnlyError, SchemaError, StoreError
from fleet.store.db import disk
from fleet.store.db.address import DatabaseAddress, missing
from fleet.store.db.database import BUSY_SECONDS, Row, in_utc
from fleet.store.db.opening import NO_ROOM, Opened, connect, log_of, opened, size, version

_BUSY_LOOK = 0.02
"""Seconds between two checks of whether another process still writes."""


def _as_text(row: Row) -> Row:
    """Returns the row with bytes decoded as text. No column of fleet's has bytes, but SQLite stores bytes in a text
    column: if another program has written some, they become a text that fleet cannot have written."""
    if bytes not in map(type, row):
        return row
    return tuple(repr(value) if isinstance(value, bytes) else value for value in row)


class SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        rows: list[Row] = self.connection.execute(sql, values).fetchall()
        return [_as_text(row) for row in rows] if bytes in map(type, chain.from_iterable(rows)) else rows

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        found: Row | None = self.connection.execute(sql, values).fetchone()
        return None if found is None else _as_text(found)

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self.connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self.connection.executemany(sql, rows)


class SqliteDatabase:
    def __init__(self, address: DatabaseAddress, *, create: bool, wait: float = BUSY_SECONDS) -> None:
        """Opens the file. `wait` is how many seconds to wait for another writer.

        Raises StoreError where there is no such file (with `create` False), no such folder, or no permission.
        """
        self.address = address
        path = address.path
        if not path.parent.is_dir():
            raise StoreError(
                f"no folder {path.parent} for the database {path.name}", "create the folder first"
            )
        if not create and not path.exists():
            raise missing(address)
        self._lock = RLock()
        self._wait = wait
        with self._errors():
            self._opened: Opened | None = opened(address, create, wait)

    @property
    def connection(self) -> sqlite3.Connection:
        assert self._opened is not None
        return self._opened.connection

    @contextmanager
    def read(self) -> Iterator[SqliteTransaction]:
        """Opens a transaction that reads. Raises StoreError where a file that no process wrote when it was opened has
        been written meanwhile."""
        with self._lock:
            self._open_to_read()
            try:
                with self._transaction("BEGIN") as transaction:
                    yield transaction
            except StoreError:
                self._refuse_written()
                raise
            finally:
                self._let_others_in()
            self._refuse_written()

    @contextmanager
    def write(self, lock: str) -> Iterator[SqliteTransaction]:
        with self._lock:
            self._open_to_write()
            with self._transaction("BEGIN IMMEDIATE") as transaction:
                yield transaction

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[SqliteTransaction]:
        with self._lock, self._errors():
            self.connection.execute(begin)
            try:
                yield SqliteTransaction(self.connection)
                self.connection.execute("COMMIT")
            finally:
                # Some errors (a full disk) have rolled back already.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def _open_to_read(self) -> None:
        """Opens the file again where another fleet has begun to work on a frozen file: its commits are in the files
        that readers share."""
        path, now = self.address.path, self._opened
        if now is not None and (
            now.frozen is None or (size(log_of(path)) == 0 and version(path) == now.frozen)
        ):
            return
        with self._errors():
            self._open(opened(self.address, False, self._wait))

    def _open_to_write(self) -> None:
        """Opens the file again if there was no space before. Raises StoreError where there is still none."""
        if self._opened is None or self._opened.full:
            with self._errors():
                self._open(Opened(connect(self.address, create=False, wait=self._wait)))

    def _let_others_in(self) -> None:
        """Closes a connection without the shared files, which keeps all other processes out. Such a connection is
        opened for each read."""
        if self._opened is not None and self._opened.alone:
            self._open(None)

    def _open(self, new: Opened | None) -> None:
        if self._opened is not None:
            self._opened.connection.close()
        self._opened = new

    def _refuse_written(self) -> None:
        """Raises StoreError where a frozen file has changed: the rows that were read are not of one state, and SQLite
        may even report the file as damaged."""
        path, frozen = self.address.path, self._opened.frozen if self._opened is not None else None
        if frozen is not None and version(path) != frozen:
            raise StoreError(f"another fleet began to write {path} while it was read", "ask again")

    def bind(self, at: datetime) -> str:
        """Returns the time as text of one length, so that the order of texts is the order of times. SQLite's own date
        functions read this text."""
        return in_utc(at).isoformat(timespec="microseconds")

    def tables(self) -> set[str]:
        with self.read() as transaction:
            return {
                name for (name,) in transaction.all("SELECT name FROM sqlite_master WHERE type = 'table'")
            }

    def settle(self) -> None:
        """Sets WAL mode. SQLite does not wait for another writer when the mode changes, so the statement is repeated.

        Where the disk is full nothing can be set, and nothing has to be: the mode was set when the file was created.
        """
        if self._opened is None or self._opened.full:
            return
        deadline = time.monotonic() + self._wait
        with self._lock, self._errors():
            while True:
                try:
                    self.connection.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                        raise
                    time.sleep(_BUSY_LOOK)  # noqa: TID251 - between two looks at the condition
                else:
                    return

    def hurry(self) -> None:
        """Lets commits of this process not wait for the disk from now on: what is lost when the power fails is a
        simulation that can be played again."""
        with self._lock, self._errors():
            self.connection.execute("PRAGMA synchronous = OFF")

    def close(self) -> None:
        with self._lock:
            self._open(None)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise refusal(self.address, error) from error


def refusal(address: DatabaseAddress, error: sqlite3.Error) -> StoreError:
    """Returns the StoreError for an error of SQLite. Source of the names: sqlite.org/rescode.html. Extended codes
    begin with the name of their primary one."""
    name = str(getattr(error, "sqlite_errorname", ""))
    path = address.path
    if name.startswith("SQLITE_NOTADB"):
        return SchemaError(f"{path} is not a database of fleet", "choose another file with --database")
    if name.startswith(NO_ROOM):
        hint = f"free some space: {disk.to_free(path)}. Keep every file whose name begins with {path.name}. {SAFE}"
        return NoRoomError(f"no room left for the database: {path}", hint)
    for code, summary, hint in REFUSALS:
        if name.startswith(code):
            kind = ReadOnlyError if code is READ_ONLY else StoreError
            return kind(f"{summary}: {path}", hint.format(folder=path.parent))
    return StoreError(f"the database {path} refused: {error} ({name or type(error).__name__})")


SAFE = "Nothing was written, and what was committed is safe"
READ_ONLY = ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")
REFUSALS = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "the database is locked",
        "another fleet process (or an sqlite3 shell with an open transaction) is writing; `fuser` shows it",
    ),
    (
        READ_ONLY,
        "the database may not be written",
        "check its owner, and {folder}",
    ),
    (("SQLITE_CANTOPEN",), "the database cannot be opened", "check its owner, and {folder}"),
    (
        ("SQLITE_CORRUPT",),
        "the database is damaged",
        "restore it from a backup; `sqlite3 FILE .recover` saves what can be read",
    ),
    (("SQLITE_IOERR",), "the disk of the database fails", "check the system's log (dmesg)"),
)
