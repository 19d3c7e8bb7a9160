"""What Flatcar's other /usr partition holds, read by the real btrfs and debugfs from file systems that are files."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.core.releases.release import Release
from fleet.machines.families import flatcar
from fleet.machines.families.flatcar import Flatcar
from tests.unit.machines import recorded
from tests.unit.machines.fakehost import FakeHost

PROGRAMS = ("btrfs", "mkfs.btrfs", "debugfs", "mkfs.ext4")


class FlatcarHost(FakeHost):
    """Partitions are files; which of them is booted, and how often one has booted successfully, is simulated."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.files["/etc/os-release"] = "ID=flatcar\nVERSION_ID=4152.2.0\n"
        for name, text in (
            ("rootdev", f"echo {folder}/usr-b"),
            ("cgpt", f'if [ "$1" = find ]; then cat {folder}/found; else cat "$2.flags"; fi'),
        ):
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
        (folder / "found").write_text(f"{folder}/usr-a\n{folder}/usr-b\n")
        self.flag("priority=1 tries=0 successful=1")
        self.programs["sh"] = self._script

    def flag(self, message: str) -> None:
        (self.folder / "usr-a.flags").write_text(f"      Attr: {message}\n")

    def write(self, system: str) -> None:
        """The other partition: a release of this file system. A copy of the tree, as an image is."""
        partition, tree = self.folder / "usr-a", self.folder / "tree"
        (tree / "share/flatcar").mkdir(parents=True, exist_ok=True)
        (tree / "share/coreos").unlink(missing_ok=True)
        (tree / "share/coreos").symlink_to("flatcar")
        (tree / "share/flatcar/release").write_text(
            "FLATCAR_RELEASE_VERSION=4081.2.0\nFLATCAR_RELEASE_BOARD=x\n"
        )
        partition.unlink(missing_ok=True)
        with partition.open("wb") as file:
            file.truncate(128 << 20)
        option = "--rootdir" if system == "btrfs" else "-d"
        made = subprocess.run(
            (f"mkfs.{system}", "-q", option, str(tree), str(partition)), capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr

    def _script(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        assert argv == ("-c", flatcar.OTHER)
        path = {"PATH": f"{self.folder}:/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(self.folder)}
        ran = subprocess.run(("sh", *argv), env=path, capture_output=True, text=True)
        return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
def host(tmp_path: Path) -> FlatcarHost:
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        assert not os.environ.get("CI"), f"lacks {', '.join(lacking)}"
        pytest.skip(f"needs {', '.join(lacking)}")
    return FlatcarHost(tmp_path)


def rollback(host: FlatcarHost) -> Release | None:
    return asyncio.run(Flatcar(host).observe()).rollback


@pytest.mark.parametrize("system", ["btrfs", "ext4"])
def test_version_of_the_other_partition_is_read_and_nothing_stays_mounted(
    host: FlatcarHost, system: str
) -> None:
    host.write(system)
    before = sorted(host.folder.iterdir())
    assert rollback(host) == Release("4081.2.0")
    assert sorted(host.folder.iterdir()) == before


def test_partition_that_never_booted_or_is_being_written_is_no_rollback(host: FlatcarHost) -> None:
    host.write("btrfs")
    host.flag("priority=2 tries=1 successful=0")
    assert rollback(host) is None
    host.flag("priority=1 tries=0 successful=1")
    host.files[flatcar.COMPLETED] = ""
    assert rollback(host) is None
    del host.files[flatcar.COMPLETED]
    host.active.add(flatcar.SERVICE)
    host.programs["update_engine_client"] = lambda _: (0, recorded.UPDATE_ENGINE_IDLE, "")
    assert rollback(host) == Release("4081.2.0")
    downloads = recorded.UPDATE_ENGINE_IDLE.replace("UPDATE_STATUS_IDLE", "UPDATE_STATUS_DOWNLOADING")
    host.programs["update_engine_client"] = lambda _: (0, downloads, "")
    assert rollback(host) is None
    host.active.clear()
    (host.folder / "usr-a").write_bytes(b"half of an image")
    assert rollback(host) is None


def test_partitions_of_a_second_disk_make_the_other_partition_ambiguous(host: FlatcarHost) -> None:
    host.write("btrfs")
    with (host.folder / "found").open("a") as found:
        found.write(f"{host.folder}/usr-c\n")
    assert rollback(host) is None
    (host.folder / "found").write_text(f"{host.folder}/usr-b\n")
    assert rollback(host) is None
