"""A snapshot in a file: written beside, checked, then given its name; the oldest of the group go.

etcd ends the stream with the SHA-256 of all that came before it (`snapshotSend` in its maintenance server), as
`etcdctl snapshot save` keeps it: `etcdutl snapshot restore` checks the same.
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
"""A database is a whole number of these."""

STAMP = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
"""The time in a file's name. Another group whose name begins the same has more after the dash."""


class Saved(Struct, frozen=True):
    path: Path
    size: int
    """Size in bytes, with the hash."""
    sha256: str

    def __str__(self) -> str:
        return f"{self.path} ({self.size} bytes, sha256 {self.sha256})"


def save(pieces: Iterable[Mapping[str, Any]], group: str, rule: SnapshotRule, now: datetime) -> Saved:
    """Raises EtcdError where it cannot be written or is not whole; nothing is left of it then."""
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
    """Raises EtcdError for a file that is not a whole snapshot."""
    size = path.stat().st_size
    if size < PAGE_BYTES + HASH_BYTES or size % PAGE_BYTES != HASH_BYTES:
        raise EtcdError(f"{path}: {size} bytes are no whole snapshot")
    digest, left = sha256(), size - HASH_BYTES
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(left, 1 << 20))
            digest.update(chunk)
            left -= len(chunk)
        told = file.read()
    if digest.digest() != told:
        raise EtcdError(f"{path}: its hash is {digest.hexdigest()}, etcd told {told.hex()}")
    return Saved(path, size, digest.hexdigest())


def _forget(directory: Path, group: str, keep: int) -> None:
    """Names sort by time."""
    for old in sorted(directory.glob(f"{group}-{STAMP}.db"))[: -max(1, keep)]:
        old.unlink()


def _forget_parts(directory: Path, group: str) -> None:
    """Deletes what a killed controller has left: a part holds all secrets of a cluster. What somebody else has put
    there under such a name is not written into either."""
    for old in directory.glob(f"{group}-{STAMP}.part"):
        old.unlink()
