"""Reads from the mounts of a process whether a file outlives the container that writes it."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
"""The mounts of this process. Source: proc_pid_mountinfo(5)."""
EMPTY_DIR = "/volumes/kubernetes.io~empty-dir/"
"""A part of the paths in which kubelets keep the emptyDirs of pods."""
IN_MEMORY = ("tmpfs", "ramfs", "overlay")
"""File systems whose content ends with a container: memory, and the layers of its image."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def outlives_container(path: Path, mountinfo: str) -> bool:
    """Returns whether what is written to the path is still there when the container, or its pod, is gone. True for a path
    of which that is not known. `mountinfo`: the content of MOUNTINFO."""
    wanted = path.resolve()
    nearest: tuple[int, str, str] | None = None
    for line in mountinfo.splitlines():
        mount, _, rest = line.partition(" - ")
        fields, kind = mount.split(" "), rest.partition(" ")[0]
        if len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # Of two mounts on one place the later one is seen.
        if wanted.is_relative_to(point) and (nearest is None or len(point.parts) >= nearest[0]):
            nearest = (len(point.parts), fields[3], kind)
    return nearest is None or not (EMPTY_DIR in f"{nearest[1]}/" or nearest[2] in IN_MEMORY)
