"""The disk under an SQLite database, when it is full: how much is left, and what lies beside the database."""

from __future__ import annotations

import os
from pathlib import Path

SHOWN = 8
"""Files and folders that are named, the largest first."""
STEP = 1000


def to_free(database: Path) -> str:
    """What a person who has to make room wants to know, in one line."""
    folder = database.parent
    try:
        left = os.statvfs(folder)
        found = {entry.name: _taken(Path(entry.path)) for entry in os.scandir(folder)}
    except OSError as error:
        return f"{folder} cannot be looked at: {error.strerror}"
    free = "has no inode left" if left.f_files and not left.f_favail else f"has {size(_free(left))} left"
    largest = sorted(found, key=lambda name: (-found[name], name))[:SHOWN]
    listed = ", ".join(f"{name} {size(found[name])}" for name in largest)
    return f"its disk {free}; in {folder}: {listed}"


def _free(found: os.statvfs_result) -> int:
    return found.f_bavail * found.f_frsize


def _taken(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(_taken(Path(entry.path)) for entry in os.scandir(path))


def size(count: float) -> str:
    """Bytes as a person reads them: 812 MB. Steps of a thousand, as df -H."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < STEP:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= STEP
    return f"{count:.1f} TB"
