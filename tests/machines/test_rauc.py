"""The real RAUC (Debian's package) on two slots that are files, its service on a bus of its own. The boot is
simulated: a boot loader of files, and the service is told which slot has booted.

What boots is played: a boot loader of files, and the service is told which slot has booted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from fleet.core.releases.release import Release, is_release
from fleet.machines.errors import MachineError
from fleet.machines.families.rauc import Rauc
from tests.unit.machines.fakehost import FakeHost

PROGRAMS = ("rauc", "mksquashfs", "openssl", "dbus-daemon")
BACKEND = """\
#!/bin/sh
set -e
cd {folder}/boot
case "$1" in
get-primary) cat primary ;;
set-primary) echo "$2" >primary; echo good >"state.$2" ;;
get-state) cat "state.$2" ;;
set-state) echo "$3" >"state.$2" ;;
*) exit 1 ;;
esac
"""
SYSTEM = """\
[system]
compatible=fleet-test
bootloader=custom
statusfile={folder}/status
mountprefix={folder}/mount
[handlers]
bootloader-custom-backend={folder}/backend
[keyring]
path={folder}/cert.pem
[slot.rootfs.0]
device={folder}/slot-a
type=raw
bootname=A
[slot.rootfs.1]
device={folder}/slot-b
type=raw
bootname=B
[slot.appfs.0]
device={folder}/app-a
type=raw
parent=rootfs.0
[slot.appfs.1]
device={folder}/app-b
type=raw
parent=rootfs.1
[slot.rescue.0]
device={folder}/slot-r
type=raw
bootname=R
readonly=true
"""
MANIFEST = """\
[update]
compatible=fleet-test
version={version}
[image.rootfs]
filename=rootfs.img
"""


class RaucHost(FakeHost):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.files["/etc/os-release"] = "ID=test\nVERSION_ID=1.0\n"
        self.programs["rauc"] = self._rauc
        self._processes: list[subprocess.Popen[str]] = []
        for name in ("boot", "mount"):
            (folder / name).mkdir()
        for name, text in (("primary", "A"), ("state.A", "good"), ("state.B", "bad"), ("state.R", "good")):
            (folder / "boot" / name).write_text(f"{text}\n")
        for name in ("slot-a", "slot-b", "slot-r", "app-a", "app-b"):
            with (folder / name).open("wb") as slot:
                slot.truncate(1 << 20)
        (folder / "backend").write_text(BACKEND.format(folder=folder))
        (folder / "backend").chmod(0o755)
        (folder / "system.conf").write_text(SYSTEM.format(folder=folder))
        self._certify("")
        self._certify("stranger-")
        self._bus = self._begin_bus()
        self._serve()

    def bundle(self, version: str, says: str = "", signer: str = "") -> bytes:
        """Writes the bundle to `source`; returns its image. `says`: the version in the bundle, if it differs."""
        content = self.folder / f"content-{version}"
        content.mkdir()
        image = os.urandom(200_000)
        (content / "rootfs.img").write_bytes(image)
        (content / "manifest.raucm").write_text(MANIFEST.format(version=says or version))
        keys = (f"--cert={self.folder}/{signer}cert.pem", f"--key={self.folder}/{signer}key.pem")
        _must("rauc", "bundle", *keys, str(content), str(self.folder / f"{version}.raucb"))
        return image

    @property
    def source(self) -> str:
        return f"{self.folder}/{{version}}.raucb"

    def boot(self, slot: str = "") -> None:
        """Boots what the boot loader, or a user at it, would boot."""
        super().boot()
        self._serve(slot)

    def marked(self, slot: str) -> str:
        return (self.folder / f"boot/state.{slot}").read_text().strip()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)

    def _certify(self, name: str) -> None:
        files = ("-keyout", str(self.folder / f"{name}key.pem"), "-out", str(self.folder / f"{name}cert.pem"))
        subject = ("-nodes", "-days", "2", "-subj", f"/CN={name}test")
        _must("openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files)

    def _begin_bus(self) -> str:
        argv = (
            "dbus-daemon",
            "--session",
            "--nofork",
            "--print-address",
            f"--address=unix:dir={self.folder}",
        )
        bus = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._processes.append(bus)
        assert bus.stdout is not None
        return bus.stdout.readline().strip()

    @property
    def _environment(self) -> dict[str, str]:
        bus = {"DBUS_SESSION_BUS_ADDRESS": self._bus, "DBUS_STARTER_BUS_TYPE": "session"}
        return {**os.environ, **bus, "LC_ALL": "C.UTF-8"}

    def _serve(self, slot: str = "") -> None:
        """Starts RAUC's service with the booted slot; the one before ends."""
        if len(self._processes) > 1:
            old = self._processes.pop()
            old.terminate()
            old.wait(10)
        booted = slot or (self.folder / "boot/primary").read_text().strip()
        argv = ("rauc", f"--conf={self.folder}/system.conf", "service", f"--override-boot-slot={booted}")
        with (self.folder / "service.log").open("a") as log:
            process = subprocess.Popen(argv, env=self._environment, stdout=log, stderr=log, text=True)
        self._processes.append(process)
        deadline = time.monotonic() + 20
        while self._rauc(("status",))[0] != 0:
            assert time.monotonic() < deadline, (self.folder / "service.log").read_text()
            time.sleep(0.05)  # noqa: TID251 - between two looks at the condition

    def _rauc(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        ran = subprocess.run(
            ("rauc", *argv), capture_output=True, text=True, env=self._environment, timeout=60
        )
        return ran.returncode, ran.stdout, ran.stderr


def _must(*argv: str) -> None:
    ran = subprocess.run(argv, capture_output=True, text=True)
    assert ran.returncode == 0, f"{' '.join(argv)}: {ran.stderr}"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[RaucHost]:
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if os.getuid() != 0 or not Path("/dev/loop-control").exists():
        lacking.append("root with loop devices")
    if lacking:
        assert not os.environ.get("CI"), f"lacks {', '.join(lacking)}"
        pytest.skip(f"needs {', '.join(lacking)}")
    found = RaucHost(tmp_path)
    try:
        yield found
    finally:
        found.close()


def test_a_bundle_is_written_booted_marked_good_and_rolled_back(host: RaucHost) -> None:
    async def story() -> None:
        machine = Rauc(host, host.source)
        image = host.bundle("2.0")
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback) == (Release("1.0"), None, None)
        percents: list[int] = []
        await machine.stage(Release("2.0"), percents.append, "r-1/n-1/stage/0")
        assert percents[-1] == 100
        seen = await machine.observe()
        assert seen.staged is not None and seen.staged.version == "2.0"
        assert seen.booted == Release("1.0")
        assert (host.folder / "slot-b").read_bytes()[: len(image)] == image
        before = seen.boot_id
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted.version, seen.staged) == ("2.0", None)
        assert seen.booted.digest.startswith("sha256:") and seen.boot_id != before
        (host.folder / "boot/state.B").write_text("bad\n")
        await machine.mark_good()
        assert host.marked("B") == "good"
        await machine.roll_back()
        assert (await machine.observe()).staged is not None
        await machine.reboot()
        assert (await machine.observe()).staged is None
        assert (await machine.observe()).rollback is not None

    asyncio.run(story())


def test_rescue_slot_and_slot_booted_from_elsewhere_are_no_rollback(
    host: RaucHost,
) -> None:
    async def story() -> None:
        machine = Rauc(host, host.source)
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback) == (Release("1.0"), None, None)
        with pytest.raises(MachineError, match="no other slot of class rootfs is marked good"):
            await machine.roll_back()
        host.boot("R")
        seen = await machine.observe()
        assert (seen.booted, seen.rollback) == (Release("1.0"), None)
        assert seen.staged == Release("slot rootfs.0")
        host.boot("_external_")
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("1.0"), Release("slot rootfs.0"))
        (host.folder / "boot/primary").unlink()
        seen = await machine.observe()
        assert seen.staged is not None and seen.staged.version.startswith("unknown: ")

    asyncio.run(story())


def test_bundle_of_another_signer_is_refused_with_raucs_message(host: RaucHost) -> None:
    async def story() -> None:
        host.bundle("2.0", signer="stranger-")
        machine = Rauc(host, host.source)
        with pytest.raises(MachineError, match="signature"):
            await machine.stage(Release("2.0"), lambda _: None, "r-1/n-1/stage/0")
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("1.0"), None)

    asyncio.run(story())


def test_bundle_with_another_version_is_not_booted(host: RaucHost) -> None:
    async def story() -> None:
        host.bundle("2.0", says="1.9")
        machine = Rauc(host, host.source)
        with pytest.raises(MachineError, match=r"wrote 1\.9, not 2\.0"):
            await machine.stage(Release("2.0"), lambda _: None, "r-1/n-1/stage/0")
        assert (await machine.observe()).staged is None

    asyncio.run(story())


def test_another_image_with_the_same_version_is_not_booted(host: RaucHost) -> None:
    async def story() -> None:
        host.bundle("2.0")
        machine, other = Rauc(host, host.source), Release("2.0", f"sha256:{'0' * 64}")
        with pytest.raises(MachineError, match=f"not 2.0 {other.digest}"):
            await machine.stage(other, lambda _: None, "r-1/n-1/stage/0")
        assert (await machine.observe()).staged is None
        wanted = Release("2.1", f"sha256:{sha256(host.bundle('2.1', says='2.0')).hexdigest()}")
        await machine.stage(wanted, lambda _: None, "r-1/n-1/stage/1")
        assert is_release((await machine.observe()).staged, wanted)

    asyncio.run(story())
