"""The disk under an SQLite database, when it is full: how much is left, and what lies beside the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SHOWN = 8
"""Files and folders that are named, the largest first."""
STEP = 1000


def to_free(database: Path) -> str:
    """Returns, in one line, what a user who has to free space wants to know."""
    folder = database.parent
    try:
        left = os.statvfs(folder)
        found = dict(_each(folder))
    except OSError as error:
        return f"{folder} cannot be looked at: {error.strerror}"
    free = "has no inode left" if left.f_files and not left.f_favail else f"has {size(_free(left))} left"
    largest = sorted(found, key=lambda name: (-found[name], name))[:SHOWN]
    listed = ", ".join(f"{name} {size(found[name])}" for name in largest)
    return f"its disk {free}; in {folder}: {listed}"


def _free(found: os.statvfs_result) -> int:
    return found.f_bavail * found.f_frsize


def _each(folder: Path) -> Iterator[tuple[str, int]]:
    """Yields every file and folder in it, with the bytes that it takes; without what is deleted at this moment or may
    not be read."""
    for entry in os.scandir(folder):
        with suppress(OSError):
            yield entry.name, _taken(entry)


def _taken(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    return sum(size for _, size in _each(Path(entry.path)))


def size(count: float) -> str:
    """Returns bytes as a user reads them: 812 MB. Steps of a thousand, as df -H."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < STEP:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= STEP
    return f"{count:.1f} TB"
