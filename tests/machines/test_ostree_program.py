"""The real ostree program (Debian's) on a system root in a folder. The boot is simulated: there is no boot loader."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.objects.machine import EtcChanges
from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families.ostree import Ostree
from tests.unit.machines.fakehost import FakeHost


class OstreeHost(FakeHost):
    """A machine whose system root is a folder, with a repository that it follows."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.repository = folder / "repository"
        self.root = folder / "root"
        self.releases: list[Release] = []
        self.booted = ""
        """`CHECKSUM.SERIAL` of the deployment that runs."""
        self.programs["ostree"] = self._ostree
        self._made()

    def publish(self, version: str) -> Release:
        tree = self.repository.parent / "tree"
        (tree / "usr/version").write_text(version)
        more = ("--branch=test/stable", f"--tree=dir={tree}", f"--add-metadata-string=version={version}")
        commit = self._must("ostree", f"--repo={self.repository}", "commit", *more).strip()
        self._must("ostree", f"--repo={self.repository}", "summary", "--update")
        release = Release(version, f"sha256:{commit}")
        self.releases.append(release)
        return release

    def boot(self) -> None:
        super().boot()
        self.booted = self._status().split()[1]

    @property
    def etc(self) -> Path:
        """/etc of the deployment that runs."""
        return self.root / "ostree/deploy/test/deploy" / self.booted / "etc"

    def restart(self) -> None:
        """Boots the same deployment again."""
        super().boot()

    def upgrade(self) -> None:
        """Upgrades as a user does who follows the branch."""
        self._must("ostree", "admin", "upgrade", f"--sysroot={self.root}", "--os=test")

    def _made(self) -> None:
        tree = self.repository.parent / "tree"
        modules = tree / "usr/lib/modules/6.1"
        for folder in (modules, tree / "usr/etc", self.root / "boot/loader.0"):
            folder.mkdir(parents=True)
        for name in ("kept.conf", "removed.conf"):
            (tree / "usr/etc" / name).write_text("the release's")
        for name in ("boot", "dev", "proc", "run", "sys", "sysroot", "tmp", "var"):
            (tree / name).mkdir()
        (tree / "ostree").symlink_to("sysroot/ostree")
        (modules / "vmlinuz").write_text("kernel")
        (modules / "initramfs.img").write_text("initramfs")
        (tree / "usr/lib/os-release").write_text("ID=test\nNAME=test\nVERSION_ID=1\n")
        self._must("ostree", "init", "--mode=archive", f"--repo={self.repository}")
        self._must("ostree", "admin", "init-fs", str(self.root))
        (self.root / "boot/loader").symlink_to("loader.0")
        self._must("ostree", "admin", "os-init", f"--sysroot={self.root}", "test")
        own = f"--repo={self.root}/ostree/repo"
        self._must("ostree", own, "remote", "add", "--no-gpg-verify", "origin", self.repository.as_uri())
        self.publish("1.0")
        self._must("ostree", own, "pull", "origin", "test/stable")
        self._must("ostree", "admin", "deploy", f"--sysroot={self.root}", "--os=test", "origin:test/stable")
        self.boot()

    def _ostree(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        """The program itself; the folder stands for /sysroot, and the booted deployment gets its star."""
        message = [word.replace("=/sysroot/", f"={self.root}/") for word in argv]
        assert message[0] == "admin"
        more = [f"--sysroot={self.root}"] + (
            [] if message[1] == "status" or "--os=test" in message else ["--os=test"]
        )
        ran = subprocess.run(["ostree", *message[:2], *more, *message[2:]], capture_output=True, text=True)
        starred = ran.stdout.replace(f"  test {self.booted}", f"* test {self.booted}")
        return ran.returncode, starred if message[1] == "status" else ran.stdout, ran.stderr

    def _status(self) -> str:
        return self._must("ostree", "admin", "status", f"--sysroot={self.root}")

    def _must(self, *argv: str) -> str:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def host(tmp_path: Path) -> Iterator[OstreeHost]:
    if shutil.which("ostree") is None or os.getuid() != 0:
        assert not os.environ.get("CI"), "ostree is not installed, or this is not root"
        pytest.skip("needs the ostree program, and root")
    try:
        yield OstreeHost(tmp_path)
    finally:
        # Deployments are immutable to the file system.
        subprocess.run(["chattr", "-R", "-i", str(tmp_path)], capture_output=True)


def test_a_commit_is_staged_booted_and_rolled_back(host: OstreeHost) -> None:
    async def story() -> None:
        machine = Ostree(host)
        old, new = host.releases[0], host.publish("2.0")
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback) == (old, None, None)
        await machine.stage(new, lambda _: None, "r-1/n-1/stage/0")
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.boot_id) == (old, new, "boot-2")
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback, seen.boot_id) == (new, None, old, "boot-3")
        await machine.roll_back()
        assert (await machine.observe()).staged == old
        await machine.reboot()
        assert (await machine.observe()).booted == old

    asyncio.run(story())


def test_a_pinned_older_commit_is_staged_and_its_branch_is_still_followed(host: OstreeHost) -> None:
    async def story() -> None:
        machine = Ostree(host)
        second, third = host.publish("2.0"), host.publish("3.0")
        await machine.stage(third, lambda _: None)
        await machine.reboot()
        await machine.stage(second, lambda _: None, "again")
        await machine.reboot()
        assert (await machine.observe()).booted == second
        host.upgrade()
        assert (await machine.observe()).staged == third

    asyncio.run(story())


def test_changed_files_in_etc_are_reported_by_path_alone(host: OstreeHost) -> None:
    async def story() -> None:
        machine = Ostree(host)
        assert (await machine.observe()).etc == EtcChanges()
        (host.etc / "secret.conf").write_text("geheim")
        (host.etc / "kept.conf").write_text("another one")
        (host.etc / "removed.conf").unlink()
        assert (await machine.observe()).etc == EtcChanges(), "once in a while is enough"
        host.restart()
        assert (await machine.observe()).etc == EtcChanges(("M kept.conf", "D removed.conf", "A secret.conf"))

    asyncio.run(story())


def test_commit_that_the_repository_lacks_is_reported_with_ostrees_message(host: OstreeHost) -> None:
    with pytest.raises(MachineError, match="exit 1: error: "):
        asyncio.run(Ostree(host).stage(Release("9.9", f"sha256:{'0' * 64}"), lambda _: None))
