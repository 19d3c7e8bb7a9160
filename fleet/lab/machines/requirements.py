"""Checks what a computer needs to run the lab's machines, and describes what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
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
"""Commands, each with Debian's package that contains it."""

PACKAGES_FOR_VM = {
    "qemu-system-x86_64": "qemu-system-x86",
    "extlinux": "extlinux",
    "mmdebstrap": "mmdebstrap",
    "ostree": "ostree",
    "mkfs.ext4": "e2fsprogs",
    "ssh": "openssh-client",
}


def lacking() -> tuple[str, ...]:
    """Returns descriptions of what this computer lacks; empty where it can run machines."""
    if sys.platform != "linux":
        return ("Linux: systemd-nspawn runs on nothing else",)
    missing = []
    if os.geteuid() != 0:
        missing.append(
            "the rights of root: hosts with a systemd of their own, and a bridge for them, need them"
        )
    missing += _packages(PACKAGES)
    if shutil.which("go") is None:
        missing.append(INSTALL_GO)
    if not Path("/sys/fs/cgroup").is_dir():
        missing.append("cgroups, mounted at /sys/fs/cgroup")
    return tuple(missing)


def require() -> None:
    """Raises LabError with everything that is missing."""
    if missing := lacking():
        raise LabError("this computer cannot run the lab's machines", f"it lacks {'; '.join(missing)}")


def lacking_for_vm() -> tuple[str, ...]:
    """Returns the same for a virtual machine."""
    if sys.platform != "linux":
        return ("Linux: the disk of a virtual machine is written with its tools",)
    rights = () if os.geteuid() == 0 else ("the rights of root: its disk is mounted while it is written",)
    return (*rights, *_packages(PACKAGES_FOR_VM))


def _packages(packages: Mapping[str, str]) -> tuple[str, ...]:
    missing = sorted(package for command, package in packages.items() if shutil.which(command) is None)
    return (f"apt-get install {' '.join(missing)}",) if missing else ()
