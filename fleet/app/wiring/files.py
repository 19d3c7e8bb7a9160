"""Files that a user names for a result: written completely, or left as they were."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.core.records.errors import UsageError
from fleet.system.files import beside


def write_whole(path: Path, content: bytes) -> None:
    """Writes the whole file, or leaves the earlier one: a partial or empty file must not look like a result.

    A device or a pipe is written to directly. Raises UsageError where the folder is missing or is not a folder,
    OSError where the disk refuses.
    """
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "name a file")
        path.write_bytes(content)
        return
    path = path.resolve()
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", "create it first, or name another file")
    with beside(path, content, _mode(path)) as part:
        part.replace(path)


def _mode(path: Path) -> int:
    """Returns the mode of the existing file, or the one that the umask leaves."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
