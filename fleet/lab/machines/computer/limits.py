"""Limits of this computer's kernel that all machines share, and that some kubelets together reach."""

from __future__ import annotations

from pathlib import Path

from fleet.lab.build import ReportLine

INSTANCES = 4096
"""A host with its pods takes some fifteen; the kernel's default of 128 is for one computer's desktop."""

_FILE = Path("/proc/sys/fs/inotify/max_user_instances")


def raise_limits(progress: ReportLine, file: Path = _FILE) -> None:
    """Gives root more inotify instances where there are too few: without one a kubelet ends as it
    starts, and containerd stays without its part for Kubernetes.

    It is never lowered again, since others may count on it by then. Where it cannot be written that is told, and
    some machines run all the same.
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
