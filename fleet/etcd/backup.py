"""Saves a snapshot to a file: written under a temporary name, checked, then renamed; the group's oldest snapshots are
deleted.

etcd ends the stream with the SHA-256 of all preceding bytes (`snapshotSend` in its maintenance server), and `etcdctl
snapshot save` keeps this hash in the file: `etcdutl snapshot restore` checks the same one.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from fleet.core.quorum.quorum import SnapshotRule
from fleet.etcd.errors import EtcdError

HASH_BYTES = 32
PAGE_BYTES = 512
"""The page size of etcd's database in bytes; the size of a database is a multiple of this number."""

STAMP = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
"""A glob pattern of the time in a file's name. The files of a group whose name only begins the same do not match,
since more text follows the dash."""


class Saved(Struct, frozen=True):
    path: Path
    size: int
    """The size in bytes, including the hash."""
    sha256: str

    def __str__(self) -> str:
        return f"{self.path} ({self.size} bytes, sha256 {self.sha256})"


def save(pieces: Iterable[Mapping[str, Any]], group: str, rule: SnapshotRule, now: datetime) -> Saved:
    """Saves a snapshot and returns its file. Raises EtcdError where the file cannot be written or the snapshot is
    incomplete; nothing is left of the file then."""
    directory = Path(rule.directory)
    path = directory / f"{group}-{now:%Y%m%dT%H%M%S}Z.db"
    part = path.with_suffix(".part")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_parts(directory, group)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                file.write(base64.b64decode(piece.get("blob", "")))
            file.flush()
            os.fsync(file.fileno())
        saved = check(part)
        part.replace(path)
        _forget(directory, group, rule.keep)
    except OSError as error:
        raise EtcdError(f"the snapshot of {group} cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Saved(path, saved.size, saved.sha256)


def check(path: Path) -> Saved:
    """Returns the snapshot in a file. Raises EtcdError for a file that is not a complete snapshot."""
    size = path.stat().st_size
    if size < PAGE_BYTES + HASH_BYTES or size % PAGE_BYTES != HASH_BYTES:
        raise EtcdError(f"{path}: {size} bytes are not a complete snapshot")
    digest, left = sha256(), size - HASH_BYTES
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(left, 1 << 20))
            digest.update(chunk)
            left -= len(chunk)
        content = file.read()
    if digest.digest() != content:
        raise EtcdError(f"{path}: its hash is {digest.hexdigest()}, etcd sent {content.hex()}")
    return Saved(path, size, digest.hexdigest())


def _forget(directory: Path, group: str, keep: int) -> None:
    """Deletes all but the newest `keep` snapshots of the group; the names sort by time."""
    for old in sorted(directory.glob(f"{group}-{STAMP}.db"))[: -max(1, keep)]:
        old.unlink()


def _forget_parts(directory: Path, group: str) -> None:
    """Deletes partial files that a killed controller has left: a partial file may hold all secrets of a cluster. A
    file that another program has put there under such a name is not written to either."""
    for old in directory.glob(f"{group}-{STAMP}.part"):
        old.unlink()
