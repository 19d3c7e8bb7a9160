"""Gives each machine a part of every cgroup hierarchy, which the systemd and the kubelet inside can subdivide."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_MOUNTED = Path("/sys/fs/cgroup")
_ROOM = "fleet-lab"


def enter(machine: str, pid: int) -> None:
    """Moves the process into the machine's own groups, after removing what its last boot left there. Raises
    OSError."""
    for hierarchy in _hierarchies():
        room = hierarchy / _ROOM
        own = room / machine
        _remove_below(own)
        own.mkdir(parents=True, exist_ok=True)
        if (hierarchy / "cpuset.cpus").exists():
            for group in (room, own):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((group.parent / name).read_text())
        (own / "cgroup.procs").write_text(str(pid))


def remove(machine: str) -> None:
    """Removes the machine's groups, which must have no process left. Raises OSError."""
    for own in of(machine):
        _remove_below(own)
        own.rmdir()


def of(machine: str) -> tuple[Path, ...]:
    """Returns the machine's existing groups."""
    groups = [hierarchy / _ROOM / machine for hierarchy in _hierarchies()]
    return tuple(group for group in groups if group.is_dir())


def processes(machine: str) -> frozenset[int]:
    """Returns the process ids of everything that runs on the machine, and of its power supply."""
    return frozenset(pid for group in of(machine) for pid in processes_in(group))


def processes_in(group: Path) -> Iterator[int]:
    """Yields the processes of the group and of the groups below. Groups come and go: a group that disappears meanwhile
    had no process left."""
    for folder, _, _ in os.walk(group):
        try:
            listing = (Path(folder) / "cgroup.procs").read_text()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise
            continue
        yield from map(int, listing.split())


def kill(machine: str) -> None:
    """Sends SIGKILL to all of these processes except the calling one."""
    for pid in processes(machine) - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _hierarchies() -> list[Path]:
    """Returns the hierarchy of version 2, or each of version 1; links are skipped, since they name a hierarchy a
    second time."""
    if (_MOUNTED / "cgroup.controllers").exists():
        return [_MOUNTED]
    return [
        path
        for path in sorted(_MOUNTED.iterdir())
        if not path.is_symlink() and (path / "cgroup.procs").exists()
    ]


def _remove_below(group: Path) -> None:
    for below in _deepest_first(group):
        below.rmdir()


def _deepest_first(group: Path) -> Iterator[Path]:
    if not group.is_dir():
        return
    for path in sorted(group.iterdir()):
        if path.is_dir():
            yield from _deepest_first(path)
            yield path
