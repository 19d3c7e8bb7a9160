"""The lease of a cluster that has no API server: a file that the processes of one computer lock while they use it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import msgspec
from msgspec import Struct

from fleet.core.records.leadership import Leadership, LeaseSighting


class FileLeaseHolder(Struct, frozen=True):
    holder: str = ""
    epoch: int = 0
    seconds: int = 0
    renewals: int = 0
    """A number that changes with each renewal. A process that waits for the expiry watches the number, by its own
    clock."""
    place: str = ""
    """The last entry of the holder's journal."""


class FileLease:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: LeaseSighting | None = None
        """The last renewal that was seen, and when, by the monotonic clock."""

    def attempt(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        """Takes or renews the lease for so many wall-clock seconds, and notes the place of the journal in the lease."""
        with self._locked() as file:
            lease = _read(file)
            mine = lease.holder == identity
            if not mine and lease.holder and not self._expired(lease) and not abandoned(lease.holder):
                return Leadership(False, lease.holder, lease.epoch, lease.place)
            epoch = lease.epoch if mine else lease.epoch + 1
            _write(file, FileLeaseHolder(identity, epoch, seconds, lease.renewals + 1, place or lease.place))
            return Leadership(True, identity, epoch, lease.place)

    def place(self) -> str:
        """Returns the place of the journal that was noted last."""
        with self._locked() as file:
            return _read(file).place

    def see(self) -> LeaseSighting:
        """Returns the last renewal, and since when it has been the last one."""
        with self._locked() as file:
            return self._sighting(_read(file))

    def recall(self, sighting: LeaseSighting) -> None:
        """Takes over what another reader of the same file has seen."""
        self._seen = sighting

    def resign(self, identity: str) -> None:
        with self._locked() as file:
            lease = _read(file)
            if lease.holder == identity:
                _write(file, msgspec.structs.replace(lease, holder="", renewals=lease.renewals + 1))

    def _expired(self, lease: FileLeaseHolder) -> bool:
        """Returns whether the lease has expired: no renewal was seen for its duration."""
        since = self._sighting(lease).since
        return monotonic() - since >= lease.seconds

    def _sighting(self, lease: FileLeaseHolder) -> LeaseSighting:
        if self._seen is None or self._seen.renewal != lease:
            self._seen = LeaseSighting(lease, monotonic())
        return self._seen

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _read(file: int) -> FileLeaseHolder:
    data = os.pread(file, 65536, 0)
    return msgspec.json.decode(data, type=FileLeaseHolder) if data else FileLeaseHolder()


def _write(file: int, lease: FileLeaseHolder) -> None:
    """Writes over what is there, with blanks behind. If the file were cut first, its content would be lost on a full
    disk."""
    data = msgspec.json.encode(lease)
    os.pwrite(file, data.ljust(os.fstat(file).st_size), 0)
