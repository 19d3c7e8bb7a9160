"""Copies of signed checkpoints in files, one a line, outside the database, which others may write to."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fleet.app.audit.keys import is_there, keys_of
from fleet.app.wiring.home import Home
from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import UsageError

if TYPE_CHECKING:
    from fleet.store.journal.tampering import JournalFinding


def append_copy(path: Path, signed: SignedCheckpoint) -> None:
    """Appends one line that is on the disk when the call returns, or nothing of it: a partial line would be read as a
    line that was changed.

    The writer holds the lock of the file, so that the line of another process is not cut off where a full disk took
    only a part of this one. Raises OSError where the disk refuses.
    """
    line = msgspec.json.encode(signed) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def kept_copies(
    home: Home, elsewhere: Sequence[Path] = ()
) -> tuple[list[SignedCheckpoint], list[JournalFinding]]:
    """Returns the checkpoints beside the key and in other files, and a finding for each line that is no checkpoint."""
    beside = keys_of(home).copies
    return read_copies([*([beside] if is_there(beside) else []), *elsewhere])


def read_copies(paths: Sequence[Path]) -> tuple[list[SignedCheckpoint], list[JournalFinding]]:
    """Returns the checkpoints of files with one a line, and a finding for each line that is no checkpoint."""
    from fleet.store.journal.tampering import JournalFinding

    found: list[SignedCheckpoint] = []
    findings: list[JournalFinding] = []
    for path in paths:
        for number, line in _lines(path):
            try:
                found.append(msgspec.json.decode(line, type=SignedCheckpoint))
            except (msgspec.DecodeError, UnicodeDecodeError):
                findings.append(JournalFinding(0, "changed", f"{path}:{number}: this is not a checkpoint"))
    return found, findings


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return ((number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip())
