"""What a computer needs to run the lab's machines, and words for what it lacks."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from fleet.lab.build import INSTALL_GO
from fleet.lab.errors import LabError

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ostree": "ostree",
    "ip": "iproute2",
    "chattr": "e2fsprogs",
    "ssh": "openssh-client",
}
"""Command: Debian's package that has it."""


def lacking() -> tuple[str, ...]:
    """What this computer lacks, in words; empty when it can run machines."""
    if sys.platform != "linux":
        return ("Linux: systemd-nspawn runs on nothing else",)
    words = []
    if os.geteuid() != 0:
        words.append(
            "the rights of root: hosts with a systemd of their own, and a bridge for them, need them"
        )
    if missing := sorted(package for command, package in PACKAGES.items() if shutil.which(command) is None):
        words.append(f"apt-get install {' '.join(missing)}")
    if shutil.which("go") is None:
        words.append(INSTALL_GO)
    if not Path("/sys/fs/cgroup").is_dir():
        words.append("cgroups, mounted at /sys/fs/cgroup")
    return tuple(words)


def require() -> None:
    """Raises LabError with all that is lacking."""
    if words := lacking():
        raise LabError("this computer cannot run the lab's machines", f"it lacks {'; '.join(words)}")
