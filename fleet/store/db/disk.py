"""The disk under an SQLite database when the disk is full: the space that is left, and the files beside the
database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SHOWN = 8
"""Files and folders that are named in the message, the largest first."""
STEP = 1000


def to_free(database: Path) -> str:
    """Returns one line for a user who has to free space: the free space, and the largest files beside the database."""
    folder = database.parent
    try:
        left = os.statvfs(folder)
        found = dict(_sizes(folder))
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    free = "has no inode left" if left.f_files and not left.f_favail else f"has {size(_free(left))} left"
    largest = sorted(found, key=lambda name: (-found[name], name))[:SHOWN]
    listed = ", ".join(f"{name} {size(found[name])}" for name in largest)
    return f"its disk {free}; in {folder}: {listed}"


def _free(found: os.statvfs_result) -> int:
    return found.f_bavail * found.f_frsize


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """Yields every file and folder in the folder, with its size in bytes. Entries that are being deleted or may not be
    read are left out."""
    for entry in os.scandir(folder):
        with suppress(OSError):
            yield entry.name, _taken(entry)


def _taken(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    return sum(size for _, size in _sizes(Path(entry.path)))


def size(count: float) -> str:
    """Returns a number of bytes in the form that users read, such as 812 MB. Units are in steps of a thousand, as in
    df -H."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < STEP:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= STEP
    return f"{count:.1f} TB"
