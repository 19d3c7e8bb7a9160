"""The ways to open an SQLite file: as one that others read and write too, or, where that cannot be, to read alone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fleet.core.records.errors import DISK_FULL, StoreError
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import BUSY_SECONDS

NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_FSYNC")
"""What SQLite says where the disk, or its user's share of it, is used up."""
SORTED = "PRAGMA temp_store = MEMORY"
"""What is sorted for an answer needs no room on any disk."""


class Opened(NamedTuple):
    connection: sqlite3.Connection
    frozen: tuple[int, int] | None = None
    """Of a file that nobody writes: its version (`version`)."""
    full: bool = False
    """The disk has no room for the files that all who work on it share: it is read, and not written."""

    @property
    def alone(self) -> bool:
        """Returns whether nobody else can open the file as long as this connection is open."""
        return self.full and self.frozen is None


def opened(address: DatabaseAddress, create: bool, wait: float) -> Opened:
    """Opens the file to be read. Raises sqlite3.Error where the file cannot be read either, and StoreError where its
    last commits cannot."""
    try:
        return Opened(connect(address, create=create, wait=wait))
    except sqlite3.OperationalError as error:
        if not address.path.exists():
            raise
        if error.sqlite_errorname.startswith(NO_ROOM) or _used_up(address.path.parent):
            return _of_full_disk(address, wait)
        # The second, where the files of WAL mode are not there and may not be made.
        frozen = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if not frozen or _writable(address.path):
            raise
    before = version(address.path)
    return Opened(_connect_to_frozen(address), before)


def connect(
    address: DatabaseAddress, *, create: bool, wait: float = BUSY_SECONDS, alone: bool = False
) -> sqlite3.Connection:
    """Connects to the file. `alone`: with an index of the log in memory, in place of the file that is shared. Source:
    sqlite.org/wal.html, use of WAL without shared memory."""
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"file:{quote(str(address.path))}?mode={mode}",
        uri=True,
        timeout=wait,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(SORTED)
        # Only a first look tells whether the files of WAL mode can be opened.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except BaseException:
        connection.close()
        raise
    return connection


def _of_full_disk(address: DatabaseAddress, wait: float) -> Opened:
    """Returns whether the disk is full and no other fleet is at work on the file, or the files that they share would
    be there."""
    if size(log_of(address.path)):
        return Opened(connect(address, create=False, wait=wait, alone=True), full=True)
    before = version(address.path)
    return Opened(_connect_to_frozen(address), before, full=True)


def _used_up(folder: Path) -> bool:
    """Returns whether no file can be made there, for want of space."""
    import tempfile  # not for those who have room

    try:
        with tempfile.TemporaryFile(dir=folder):
            return False
    except OSError as error:
        return error.errno in DISK_FULL


def _writable(path: Path) -> bool:
    return all(os.access(each, os.W_OK) for each in (path, path.parent))


def _connect_to_frozen(address: DatabaseAddress) -> sqlite3.Connection:
    """Connects to a file that nobody can write from here, with no other fleet at work on it: SQLite cannot make the
    files that readers in WAL mode share, and needs none where nothing changes. Source: sqlite.org/wal.html,
    read-only databases.

    Raises StoreError where its last commits are in a file of their own, which cannot be read without those.
    """
    log = log_of(address.path)
    if size(log):
        raise StoreError(
            f"the last commits of {address.path} are in {log.name}, which cannot be read where nothing may be written",
            "copy both files to a folder of yours, and name that one with --database",
        )
    connection = sqlite3.connect(
        f"file:{quote(str(address.path))}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute(SORTED)
    return connection


def log_of(path: Path) -> Path:
    """Returns the file of commits that are not in the database's own file yet."""
    return path.with_name(f"{path.name}-wal")


def size(path: Path) -> int:
    """Returns the size in bytes; 0: there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def version(path: Path) -> tuple[int, int]:
    """Returns when the file was last written, in nanoseconds, and its size."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size
