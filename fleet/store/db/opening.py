"""Opens an SQLite file: shared with other readers and writers or, where that is impossible, for reading alone."""

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
"""SQLite's error names for a full disk, or for a user whose quota is used up."""
SORTED = "PRAGMA temp_store = MEMORY"
"""Rows are sorted in memory, so that an answer needs no space on any disk."""


class Opened(NamedTuple):
    connection: sqlite3.Connection
    frozen: tuple[int, int] | None = None
    """The version (see `version`) of a file that no process writes."""
    full: bool = False
    """The disk has no room for the files that all processes share: the database is read, and not written."""

    @property
    def alone(self) -> bool:
        """Returns whether no other process can open the file as long as this connection is open."""
        return self.full and self.frozen is None


def opened(address: DatabaseAddress, create: bool, wait: float) -> Opened:
    """Opens the file for reading. Raises sqlite3.Error where the file cannot be read in any way, and StoreError where
    its last commits cannot be read."""
    try:
        return Opened(connect(address, create=create, wait=wait))
    except sqlite3.OperationalError as error:
        if not address.path.exists():
            raise
        if error.sqlite_errorname.startswith(NO_ROOM) or _used_up(address.path.parent):
            return _of_full_disk(address, wait)
        # SQLITE_READONLY is raised where the files of WAL mode do not exist and may not be created.
        frozen = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if not frozen or _writable(address.path):
            raise
    before = version(address.path)
    return Opened(_connect_to_frozen(address), before)


def connect(
    address: DatabaseAddress, *, create: bool, wait: float = BUSY_SECONDS, alone: bool = False
) -> sqlite3.Connection:
    """Connects to the file. With `alone`, the index of the log is in memory instead of in the shared file. Source:
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
        # Only a first read shows whether the files of WAL mode can be opened.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except BaseException:
        connection.close()
        raise
    return connection


def _of_full_disk(address: DatabaseAddress, wait: float) -> Opened:
    """Opens a file on a full disk for reading. No other fleet works on the file: if one did, the shared files would
    exist."""
    if size(log_of(address.path)):
        return Opened(connect(address, create=False, wait=wait, alone=True), full=True)
    before = version(address.path)
    return Opened(_connect_to_frozen(address), before, full=True)


def _used_up(folder: Path) -> bool:
    """Returns whether no file can be created in the folder for lack of space."""
    import tempfile  # needed only after a write has failed

    try:
        with tempfile.TemporaryFile(dir=folder):
            return False
    except OSError as error:
        return error.errno in DISK_FULL


def _writable(path: Path) -> bool:
    return all(os.access(place, os.W_OK) for place in (path, path.parent))


def _connect_to_frozen(address: DatabaseAddress) -> sqlite3.Connection:
    """Connects to a file that cannot be written from here, while no other fleet works on it. SQLite cannot create the
    files that readers in WAL mode share, and needs none where nothing changes. Source: sqlite.org/wal.html, read-only
    databases.

    Raises StoreError where the last commits are in a separate file: the database cannot be read without them.
    """
    log = log_of(address.path)
    if size(log):
        raise StoreError(
            f"the last commits of {address.path} are in {log.name}, which cannot be read without write access",
            "copy both files to a folder of yours, and choose it with --database",
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
    """Returns the path of the file with commits that are not in the database's own file yet."""
    return path.with_name(f"{path.name}-wal")


def size(path: Path) -> int:
    """Returns the size in bytes; 0 where there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def version(path: Path) -> tuple[int, int]:
    """Returns the time of the last write, in nanoseconds, and the size in bytes."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size
