"""Limits of this computer's kernel that all machines share, and that several kubelets together exceed."""

from __future__ import annotations

from pathlib import Path

from fleet.lab.build import ReportLine

INSTANCES = 4096
"""The number of inotify instances. A host with its pods uses some fifteen; the kernel's default of 128 is meant for a
single desktop."""

_FILE = Path("/proc/sys/fs/inotify/max_user_instances")


def raise_limits(progress: ReportLine, file: Path = _FILE) -> None:
    """Gives root more inotify instances where there are too few: without one a kubelet ends as it starts, and
    containerd runs without its CRI plugin.

    The limit is never lowered again, since other programs may rely on it by then. Where it cannot be raised that is
    reported to `progress`, and some machines may run all the same.
    """
    if int(file.read_text()) >= INSTANCES:
        return
    try:
        file.write_text(f"{INSTANCES}\n")
    except OSError as error:
        progress(
            f"{file} stays at {file.read_text().strip()} ({error.strerror}): enough for some eight nodes"
        )
    else:
        progress(f"fs.inotify.max_user_instances is {INSTANCES} from now on")
