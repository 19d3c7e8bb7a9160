"""SQLite: one file in WAL mode, so that readers never wait.

`synchronous=FULL`: in WAL mode NORMAL may lose the last commits when the power fails, and an intent that was
committed before its effect must be there afterwards. It costs one fsync for each commit.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

from fleet.core.errors import ReadOnlyError, SchemaError, StoreError
from fleet.store.address import Address, missing
from fleet.store.database import BUSY_SECONDS, Row, in_utc

_BUSY_LOOK = 0.02
"""Seconds between two looks at whether another still writes."""


class SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)


class SqliteDatabase:
    def __init__(self, address: Address, *, create: bool, wait: float = BUSY_SECONDS) -> None:
        """`wait`: seconds for another writer.

        Raises StoreError where there is no such file (`create` False), no such folder, or no right to it.
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
            self._connection, self._frozen = _connected(address, create, wait)

    @contextmanager
    def read(self) -> Iterator[SqliteTransaction]:
        """Raises StoreError where somebody has written meanwhile to a file that nobody wrote when it was opened."""
        with self._lock:
            self._open_again()
            try:
                with self._transaction("BEGIN") as transaction:
                    yield transaction
            except StoreError:
                self._refuse_written()
                raise
            self._refuse_written()

    @contextmanager
    def write(self, lock: str) -> Iterator[SqliteTransaction]:
        with self._transaction("BEGIN IMMEDIATE") as transaction:
            yield transaction

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[SqliteTransaction]:
        with self._lock, self._errors():
            self._connection.execute(begin)
            try:
                yield SqliteTransaction(self._connection)
                self._connection.execute("COMMIT")
            finally:
                # Some errors (a full disk) have rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _open_again(self) -> None:
        """Where another fleet has begun to work on a frozen file: its commits are in the files that readers share."""
        path = self.address.path
        if self._frozen is None or (_size(_log_of(path)) == 0 and _version(path) == self._frozen):
            return
        with self._errors():
            connection, self._frozen = _connected(self.address, False, self._wait)
        self._connection.close()
        self._connection = connection

    def _refuse_written(self) -> None:
        """What was read of a frozen file that has changed is of no one state: SQLite may even take it for damaged."""
        path = self.address.path
        if self._frozen is not None and _version(path) != self._frozen:
            raise StoreError(f"another fleet has begun to write {path} while it was read", "ask again")

    def bind(self, at: datetime) -> str:
        """Text of one length, so that its order is that of time; SQLite's own date functions read it."""
        return in_utc(at).isoformat(timespec="microseconds")

    def tables(self) -> set[str]:
        with self.read() as transaction:
            return {
                name for (name,) in transaction.all("SELECT name FROM sqlite_master WHERE type = 'table'")
            }

    def settle(self) -> None:
        """SQLite waits for another writer, but not where this changes the mode: it is asked again."""
        deadline = time.monotonic() + self._wait
        with self._lock, self._errors():
            while True:
                try:
                    self._connection.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                        raise
                    time.sleep(_BUSY_LOOK)  # noqa: TID251 - between two looks at the condition
                else:
                    return

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise refusal(self.address, error) from error


def connect(address: Address, *, create: bool, wait: float = BUSY_SECONDS) -> sqlite3.Connection:
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"file:{quote(str(address.path))}?mode={mode}",
        uri=True,
        timeout=wait,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        # Only a first look tells whether the files of WAL mode can be opened.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(
    address: Address, create: bool, wait: float
) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
    """The connection; and of a file that nobody can write from here, and nobody writes, its version (`_version`)."""
    try:
        return connect(address, create=create, wait=wait), None
    except sqlite3.OperationalError as error:
        # The second, where the files of WAL mode are not there and may not be made.
        frozen = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if not frozen or not address.path.exists() or _writable(address.path):
            raise
    version = _version(address.path)
    return _connect_to_frozen(address), version


def _writable(path: Path) -> bool:
    return all(os.access(each, os.W_OK) for each in (path, path.parent))


def _connect_to_frozen(address: Address) -> sqlite3.Connection:
    """A file that nobody can write from here, with no other fleet at work on it: SQLite cannot make the files that
    readers in WAL mode share, and needs none where nothing changes. Source: sqlite.org/wal.html, read-only databases.

    Raises StoreError where its last commits are in a file of their own, which cannot be read without those.
    """
    log = _log_of(address.path)
    if _size(log):
        raise StoreError(
            f"the last commits of {address.path} are in {log.name}, which cannot be read where nothing may be written",
            "copy both files to a folder of yours, and name that one with --database",
        )
    return sqlite3.connect(
        f"file:{quote(str(address.path))}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def _log_of(path: Path) -> Path:
    """The file of commits that are not in the database's own file yet."""
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    """In bytes; 0: there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _version(path: Path) -> tuple[int, int]:
    """When the file was last written, in nanoseconds, and its size."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def refusal(address: Address, error: sqlite3.Error) -> StoreError:
    """Source of the names: sqlite.org/rescode.html. Extended codes begin with the name of their primary one."""
    name = str(getattr(error, "sqlite_errorname", ""))
    path = address.path
    if name.startswith("SQLITE_NOTADB"):
        return SchemaError(f"{path} is not a database of fleet", "name another file with --database")
    for code, words, hint in REFUSALS:
        if name.startswith(code):
            kind = ReadOnlyError if code is READ_ONLY else StoreError
            return kind(f"{words}: {path}", hint.format(folder=path.parent))
    return StoreError(f"the database {path} refused: {error} ({name or type(error).__name__})")


READ_ONLY = ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")
REFUSALS = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "the database is locked",
        "another fleet process (or an sqlite3 shell with an open transaction) is writing; `fuser` names it",
    ),
    (
        ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_FSYNC"),
        "no room left for the database",
        "free some space in {folder}; nothing was written, what was committed is safe",
    ),
    (
        READ_ONLY,
        "the database may not be written",
        "see who owns it, and {folder}",
    ),
    (("SQLITE_CANTOPEN",), "the database cannot be opened", "see who owns it, and {folder}"),
    (
        ("SQLITE_CORRUPT",),
        "the database is damaged",
        "restore it from a backup; `sqlite3 FILE .recover` saves what can be read",
    ),
    (("SQLITE_IOERR",), "the disk under the database fails", "see the system's log (dmesg)"),
)
