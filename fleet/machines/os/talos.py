"""Talos: no shell and no ssh; its API is spoken to with `talosctl`, on the machine that fleet runs on.

Source: talos.dev, `talosctl` reference. Which upgrade is staged is in the machine's META partition, key 0x07
(StagedUpgradeImageRef in internal/pkg/meta/constants.go).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host, LostError, checked
from fleet.machines.os import osrelease
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "talos"
STAGED_IMAGE = "0x07"


class _Spec(Struct, frozen=True):
    value: str


class _MetaKey(Struct, frozen=True):
    spec: _Spec


def parse_meta(text: str) -> str:
    """The value of `talosctl get metakeys ID -o json`. Raises MachineError with the text."""
    try:
        return msgspec.json.decode(text, type=_MetaKey).spec.value
    except msgspec.MsgspecError as error:
        raise MachineError(f"talosctl get metakeys is not understood ({error}): {text[:300]!r}") from error


def release_of(image: str) -> Release:
    """`factory.talos.dev/installer/SCHEMATIC:v1.8.0` is release v1.8.0, with its digest if it has one."""
    name, _, digest = image.partition("@")
    _, colon, version = name.rpartition(":")
    if not colon or "/" in version:
        raise MachineError(f"the installer image {image!r} has no tag")
    return Release(version, digest)


def parse_os_release(text: str) -> Release:
    """Raises MachineError for another operating system's."""
    fields = osrelease.parse(text)
    if fields.get("ID") != "talos":
        raise MachineError(f"os-release is of {fields.get('ID', 'nobody')!r}, not of talos")
    return Release(osrelease.version(fields))


class Talos:
    def __init__(self, here: Host, node: str, source: str = "") -> None:
        """`here` has talosctl and its configuration; `source` is the installer's repository, without a tag."""
        self._here = here
        self._node = node
        self._source = source

    async def observe(self) -> Observation:
        """Its API tells no rollback: `talosctl rollback` goes to whatever was there before."""
        return Observation(
            OS,
            parse_os_release(await self._read("/etc/os-release")),
            (await self._read("/proc/sys/kernel/random/boot_id")).strip(),
            (await self._read("/proc/sys/kernel/osrelease")).strip(),
            await self._staged(),
            kernel_arguments=(await self._read("/proc/cmdline")).strip(),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        if not self._source:
            raise MachineError(
                "Talos needs the repository of its installer image (source), such as ghcr.io/siderolabs/installer"
            )
        image = f"{self._source}:{release.version}"
        await checked(
            self._here, self._talosctl("upgrade", "--stage", "--wait=false", "--image", image), 1800
        )
        progress(100)

    async def reboot(self) -> None:
        try:
            await checked(self._here, self._talosctl("reboot", "--wait=false"))
        except LostError:
            return

    async def roll_back(self) -> None:
        raise MachineError(
            f"talosctl rollback reboots at once, so a person does it: talosctl -n {self._node} rollback"
        )

    async def mark_good(self) -> None:
        """Nothing: machined does, once it is up."""

    async def _staged(self) -> Release | None:
        ran = await self._here.run(self._talosctl("get", "metakeys", STAGED_IMAGE, "-o", "json"))
        if ran.good:
            image = parse_meta(ran.stdout)
            return release_of(image) if image else None
        if "NotFound" in ran.stderr or "not found" in ran.stderr:
            return None
        raise MachineError(ran.words)

    async def _read(self, path: str) -> str:
        return await checked(self._here, self._talosctl("read", path))

    def _talosctl(self, *argv: str) -> tuple[str, ...]:
        return ("talosctl", "--nodes", self._node, *argv)
