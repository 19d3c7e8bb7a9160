"""The real snapper (Debian's package) on a btrfs with the layout of MicroOS; transactional-update is simulated with
it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families.transactional import TransactionalUpdate
from tests.unit.machines.fakehost import FakeHost

PROGRAMS = ("snapper", "mkfs.btrfs", "btrfs", "mount")
REPOSITORY = "registry.example/os"
FIRST = """<?xml version="1.0"?>
<snapshot><type>single</type><num>1</num><date>2026-01-01 00:00:00</date><description>first</description></snapshot>
"""
STATE = "/var/lib/misc/transactional-update.state"


class SnapperHost(FakeHost):
    """Snapshots of its root are real ones. `publishes`: the os-release that a repository's next image or `dup` brings."""

    def __init__(self, folder: Path, os_release: str) -> None:
        super().__init__()
        self.disk, self.top, self.root = folder / "disk", folder / "top", folder / "root"
        self.publishes: str | None = None
        self.meddler: str | None = None
        """A snapshot that somebody makes the default while an update is written."""
        self.programs |= {"snapper": self._snapper, "transactional-update": self._transactional_update}
        with self.disk.open("wb") as disk:
            disk.truncate(128 << 20)
        _must("mkfs.btrfs", "-q", str(self.disk))
        for made in (self.top, self.root):
            made.mkdir()
        _must("mount", "-o", "loop", str(self.disk), str(self.top))
        for subvolume in ("@", "@/.snapshots"):
            _must("btrfs", "-q", "subvolume", "create", str(self.top / subvolume))
        (self.top / "@/.snapshots/1").mkdir()
        first = self.top / "@/.snapshots/1/snapshot"
        _must("btrfs", "-q", "subvolume", "create", str(first))
        (first.parent / "info.xml").write_text(FIRST)
        for made in (
            first / "etc/snapper/configs",
            first / "etc/default",
            first / ".snapshots",
            first / "usr/lib",
        ):
            made.mkdir(parents=True)
        (first / "etc/snapper/configs/root").write_text('SUBVOLUME="/"\nFSTYPE="btrfs"\n')
        (first / "etc/default/snapper").write_text('SNAPPER_CONFIGS="root"\n')
        (first / "usr/lib/os-release").write_text(os_release)
        _must("btrfs", "-q", "subvolume", "set-default", str(first))
        self._mount()

    def boot(self) -> None:
        """Mounts the default snapshot; transactional-update notes one that has come up as working."""
        super().boot()
        was = self._number("active")
        self._unmount()
        self._mount()
        if STATE not in self.files:
            self.files[STATE] = f'LAST_WORKING_SNAPSHOTS="{was} {self._number("active")}"\n'

    def close(self) -> None:
        self._unmount()
        _must("umount", str(self.top))

    def create(self, parent: str) -> str:
        message = ("create", "--from", parent, "--read-write", "--print-number")
        code, number, err = self._snapper(("--no-dbus", *message))
        assert code == 0, err
        return number.strip()

    def make_default(self, number: str) -> tuple[int, str, str]:
        """As transactional-update does it where snapper's modify has no --default."""
        _must("btrfs", "-q", "subvolume", "set-default", str(self.root / f".snapshots/{number}/snapshot"))
        return 0, "", ""

    def _mount(self) -> None:
        _must("mount", "-o", "loop", str(self.disk), str(self.root))
        snapshots = ("-o", "loop,subvol=@/.snapshots", str(self.disk), str(self.root / ".snapshots"))
        _must("mount", *snapshots)

    def _unmount(self) -> None:
        for mounted in (self.root / ".snapshots", self.root):
            _must("umount", str(mounted))

    def _run(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        match argv:
            case ("sh", "-c", script, "sh", path) if "exit 44" in script and path.startswith("/.snapshots/"):
                file = self.root / path.removeprefix("/")
                return (0, file.read_text(), "") if file.exists() else (44, "", "")
        return super()._run(argv)

    def _snapper(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        """There is no bus here: the real one refuses a root of its own without --no-dbus."""
        ran = subprocess.run(("snapper", "--root", str(self.root), *argv), capture_output=True, text=True)
        return ran.returncode, ran.stdout, ran.stderr

    def _list(self) -> list[dict[str, Any]]:
        code, out, err = self._snapper(
            ("--no-dbus", "--jsonout", "list", "--columns", "number,default,active,userdata")
        )
        assert code == 0, err
        listed: list[dict[str, Any]] = json.loads(out)["root"]
        return listed

    def _number(self, which: str) -> int:
        return next(int(each["number"]) for each in self._list() if each[which])

    def _transactional_update(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        message = [word for word in argv if not word.startswith("--") or word == "--image"]
        if message[0] == "rollback":
            return self.make_default(message[1])
        assert message[0] == "dup" or message[:2] == ["apply-oci", "--image"]
        if self.publishes is None:
            return 0, "No updates available.\n", ""
        number = self.create(str(self._number("active")))
        (self.root / f".snapshots/{number}/snapshot/usr/lib/os-release").write_text(self.publishes)
        self.make_default(self.meddler or number)
        return 0, f"New default snapshot is #{number} (/.snapshots/{number}/snapshot).\n", ""


def _must(*argv: str) -> None:
    ran = subprocess.run(argv, capture_output=True, text=True)
    assert ran.returncode == 0, f"{' '.join(argv)}: {ran.stderr}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if os.getuid() != 0 or not Path("/dev/loop-control").exists():
        lacking.append("root with loop devices")
    if lacking:
        assert not os.environ.get("CI"), f"lacks {', '.join(lacking)}"
        pytest.skip(f"needs {', '.join(lacking)}")
    return tmp_path


@pytest.fixture
def micro(folder: Path) -> Iterator[SnapperHost]:
    """A SUSE Linux Micro: every snapshot of it reports 6.1."""
    with closing(SnapperHost(folder, 'ID="sl-micro"\nVERSION_ID="6.1"\n')) as host:
        yield host


@pytest.fixture
def microos(folder: Path) -> Iterator[SnapperHost]:
    with closing(SnapperHost(folder, "ID=opensuse-microos\nVERSION_ID=20261120\n")) as host:
        yield host


WANTED = Release("6.1-20261127", f"sha256:{'b' * 64}")


def test_release_of_a_product_is_identified_by_the_snapshot_that_fleet_wrote(micro: SnapperHost) -> None:
    async def story() -> None:
        machine = TransactionalUpdate(micro, REPOSITORY)
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback) == (Release("6.1+snapshot.1"), None, None)
        micro.publishes = 'ID="sl-micro"\nVERSION_ID="6.1"\n'
        await machine.stage(WANTED, lambda _: None, "r-1/n-1/stage/0")
        assert micro.started[-1][-2:] == ("--image", f"{REPOSITORY}@{WANTED.digest}")
        assert (await machine.observe()).staged == WANTED
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback) == (WANTED, None, Release("6.1+snapshot.1"))
        # What somebody puts on top of it is another release.
        number = micro.create("2")
        micro.make_default(number)
        assert (await machine.observe()).staged == Release("6.1+snapshot.3")
        for _ in range(2):
            await machine.roll_back()
            assert (await machine.observe()).staged == Release("6.1+snapshot.1")

    asyncio.run(story())


def test_multi_architecture_image_is_pulled_by_its_index_and_matches_both_digests(
    micro: SnapperHost,
) -> None:
    wanted = Release("6.1-20261127", f"sha256:{'c' * 64}", reference_digest=f"sha256:{'d' * 64}")

    async def story() -> None:
        machine = TransactionalUpdate(micro, REPOSITORY)
        micro.publishes = 'ID="sl-micro"\nVERSION_ID="6.1"\n'
        await machine.stage(wanted, lambda _: None, "r-1/n-1/stage/0")
        assert micro.started[-1][-1] == f"{REPOSITORY}@{wanted.reference_digest}"
        assert (await machine.observe()).staged == wanted

    asyncio.run(story())


def test_default_snapshot_of_another_party_is_not_taken_for_the_release(
    micro: SnapperHost,
) -> None:
    async def story() -> None:
        machine = TransactionalUpdate(micro, REPOSITORY)
        number = micro.create("1")
        micro.make_default(number)
        with pytest.raises(MachineError, match="wrote no snapshot"):
            await machine.stage(WANTED, lambda _: None, "r-1/n-1/stage/0")
        assert (await machine.observe()).staged == Release(f"6.1+snapshot.{number}")
        micro.publishes, micro.meddler = 'ID="sl-micro"\nVERSION_ID="6.1"\n', number
        with pytest.raises(MachineError, match=f"the default is {number} now"):
            await machine.stage(WANTED, lambda _: None, "r-1/n-1/stage/1")
        assert (await machine.observe()).staged == Release(f"6.1+snapshot.{number}")

    asyncio.run(story())


def test_zypper_dup_on_a_product_is_refused(micro: SnapperHost) -> None:
    async def story() -> None:
        with pytest.raises(MachineError, match=r"VERSION_ID=6\.1 of sl-micro is the product's.*source"):
            await TransactionalUpdate(micro).stage(Release("6.1"), lambda _: None)
        assert not micro.started

    asyncio.run(story())


def test_image_is_identified_by_its_digest_whatever_its_version(micro: SnapperHost) -> None:
    async def story() -> None:
        machine = TransactionalUpdate(micro, REPOSITORY)
        with pytest.raises(MachineError, match=r"apply-oci wrote no snapshot"):
            await machine.stage(WANTED, lambda _: None)
        micro.publishes = 'ID="sl-micro"\nVERSION_ID="6.1"\nIMAGE_VERSION=9\n'
        await machine.stage(WANTED, lambda _: None)
        assert (await machine.observe()).staged == WANTED
        with pytest.raises(MachineError, match=r"cannot have the version 'a,b=c'"):
            await machine.stage(Release("a,b=c", WANTED.digest), lambda _: None)

    asyncio.run(story())


def test_dated_snapshots_are_releases(microos: SnapperHost) -> None:
    async def story() -> None:
        machine = TransactionalUpdate(microos)
        assert (await machine.observe()).booted == Release("20261120")
        microos.publishes = "ID=opensuse-microos\nVERSION_ID=20261128\n"
        with pytest.raises(MachineError, match=r"dup wrote 20261128, not 20261127"):
            await machine.stage(Release("20261127"), lambda _: None)
        await machine.stage(Release("20261128"), lambda _: None)
        assert (await machine.observe()).staged == Release("20261128")
        await machine.reboot()
        (microos.root / ".snapshots/1/snapshot/usr/lib/os-release").unlink()
        seen = await machine.observe()
        assert (seen.booted, seen.rollback) == (Release("20261128"), Release("unknown+snapshot.1"))

    asyncio.run(story())
