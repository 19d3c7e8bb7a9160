"""A machine's disk: an OSTree system root in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fleet.lab.machines.computer.command import run
from fleet.lab.machines.images import loader
from fleet.lab.machines.images.releases import BRANCH, OS

_GOOD = "fleet-lab-good"
"""The file in /boot by which a deployment marks itself as good."""


class Disk:
    """The disk in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def boot(self) -> Path:
        return self.root / "boot"

    @property
    def var(self) -> Path:
        return self.root / "ostree" / "deploy" / OS / "var"

    @property
    def repository(self) -> Path:
        """Returns the path of the disk's own OSTree repository."""
        return self.root / "ostree" / "repo"

    def deployment(self, name: str) -> Path:
        """Returns the root folder of a deployment; its name is the commit and a serial number, as in `ostree admin
        status`."""
        return self.root / "ostree" / "deploy" / OS / "deploy" / name

    def entries(self) -> tuple[str, ...]:
        """Returns the names of the deployments in the order in which a boot loader tries them."""
        files = (self.boot / "loader" / "entries").glob("*.conf")
        entries = sorted((loader.parse(file.read_text()) for file in files), key=lambda entry: -entry.version)
        return tuple((self.root / entry.ostree.lstrip("/")).resolve().name for entry in entries)

    def good(self) -> frozenset[str]:
        """Returns the deployments that once marked themselves as good."""
        file = self.boot / _GOOD
        return frozenset(file.read_text().split()) if file.exists() else frozenset()

    def install(
        self,
        repository: Path,
        commit: str,
        remote: str,
        *,
        syslinux: bool = False,
        arguments: Sequence[str] = ("rw",),
    ) -> str:
        """Writes the first deployment onto an empty disk and returns its name. Upgrades come from `remote`.

        With `syslinux` OSTree writes that boot loader's menu too; `arguments` are those of the kernel. Raises
        LabError.
        """
        own = f"--repo={self.repository}"
        self.root.mkdir(parents=True, exist_ok=True)
        run("ostree", "admin", "init-fs", self.root)
        run("ostree", "admin", "os-init", OS, f"--sysroot={self.root}")
        settings = {"core.fsync": "false", "sysroot.bootloader": "none"}
        if syslinux:
            self._begin_menu()
            # /boot is a folder of the only file system.
            settings |= {"sysroot.bootloader": "syslinux", "sysroot.bootprefix": "true"}
        for name, value in settings.items():
            run("ostree", own, "config", "set", name, value)
        run("ostree", own, "remote", "add", "--no-gpg-verify", OS, remote)
        run("ostree", own, "pull-local", f"--remote={OS}", repository, commit)
        run("ostree", own, "refs", f"--create={OS}:{BRANCH}", commit)
        kernel = [f"--karg={argument}" for argument in arguments]
        run("ostree", "admin", "deploy", f"--sysroot={self.root}", f"--os={OS}", *kernel, f"{OS}:{BRANCH}")
        return self.entries()[0]

    def remove(self) -> None:
        """Deletes the disk; OSTree makes the roots of deployments immutable, which is reversed first."""
        deployments = self.root / "ostree" / "deploy" / OS / "deploy"
        for path in deployments.iterdir() if deployments.is_dir() else ():
            if path.is_dir():
                run("chattr", "-i", path)
        shutil.rmtree(self.root, ignore_errors=False)

    def _begin_menu(self) -> None:
        """Creates what OSTree recognizes syslinux by: an empty menu, reached by a link."""
        (self.boot / "loader.0").mkdir()
        (self.boot / "loader").symlink_to("loader.0")
        (self.boot / "loader" / "syslinux.cfg").write_text("PROMPT 0\nTIMEOUT 1\n")
        (self.boot / "syslinux").mkdir()
        (self.boot / "syslinux" / "syslinux.cfg").symlink_to("../loader/syslinux.cfg")
