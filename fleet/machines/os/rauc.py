"""RAUC: slots A and B, written from signed bundles. Source: rauc.readthedocs.io, `rauc(1)` 1.8."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host, checked, read, shown
from fleet.machines.job import finish
from fleet.machines.os import osrelease, shell
from fleet.machines.os.family import MachineError, Observation, Progress
from fleet.machines.updaters import refuse_others

OS = "rauc"
STATUS = ("rauc", "status", "--detailed", "--output-format=json")


class Bundle(Struct, frozen=True):
    version: str | None = None


class Checksum(Struct, frozen=True):
    sha256: str | None = None


class SlotStatus(Struct, frozen=True):
    bundle: Bundle | None = None
    checksum: Checksum | None = None


class Slot(Struct, frozen=True):
    """`class` is rootfs, appfs, ...; only those with a boot name are booted."""

    name: str
    state: str
    bootname: str | None = None
    boot_status: str | None = None
    slot_status: SlotStatus | None = None

    @property
    def release(self) -> Release | None:
        """What a bundle wrote there; None where RAUC did not write it. The digest is the written image's."""
        status = self.slot_status
        if status is None or status.bundle is None or not status.bundle.version:
            return None
        sha = status.checksum.sha256 if status.checksum else None
        return Release(status.bundle.version, f"sha256:{sha}" if sha else "")


class Status(Struct, frozen=True):
    slots: tuple[Slot, ...]
    """Those that can be booted."""
    primary: str
    """Name of the slot that boots next."""

    @property
    def booted(self) -> Slot:
        return next(slot for slot in self.slots if slot.state == "booted")

    @property
    def next(self) -> Slot:
        return next(slot for slot in self.slots if slot.name == self.primary)

    @property
    def others(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot.state != "booted")


class _Wire(Struct, frozen=True):
    compatible: str
    boot_primary: str | None
    slots: list[dict[str, dict[str, Any]]]


def parse(text: str) -> Status:
    """Raises MachineError with the text. `booted` there may be a device or a boot name: slots tell their state."""
    try:
        wire = msgspec.json.decode(text, type=_Wire)
        named = [pair for entry in wire.slots for pair in entry.items()]
        slots = tuple(msgspec.convert({"name": name, **fields}, Slot) for name, fields in named)
    except msgspec.MsgspecError as error:
        raise MachineError(f"rauc status is not understood ({error}): {text[:300]!r}") from error
    bootable = tuple(slot for slot in slots if slot.bootname)
    if sum(slot.state == "booted" for slot in bootable) != 1:
        states = ", ".join(f"{slot.name} {slot.state}" for slot in slots) or "none"
        raise MachineError(f"rauc status has not one booted slot: {states}")
    if wire.boot_primary is None or wire.boot_primary not in {slot.name for slot in bootable}:
        raise MachineError(f"rauc status does not tell which slot boots next, but {wire.boot_primary!r}")
    return Status(bootable, wire.boot_primary)


def bundle_of(source: str, release: Release) -> str:
    """The bundle's file or address. Raises MachineError where the policy names none."""
    if "{version}" not in source:
        raise MachineError(f"RAUC needs the address of its bundles, with {{version}} in it; found {source!r}")
    return source.replace("{version}", release.version)


def percent(text: str) -> int | None:
    """`rauc install` prints ` 40% Checking slot ...` lines."""
    found = [line.strip().partition("%")[0] for line in text.splitlines() if "%" in line]
    return int(found[-1]) if found and found[-1].isdigit() else None


def last_error(text: str) -> str:
    """Why `rauc install` failed: it prints that among its progress, and to stderr no more than that it did."""
    found = [line for line in text.splitlines() if line.startswith("LastError: ")]
    return f"{found[-1].removeprefix('LastError: ')}; " if found else ""


class Rauc:
    def __init__(self, host: Host, source: str = "") -> None:
        """`source`: where bundles are, such as `https://updates.example/{version}.raucb`."""
        self._host = host
        self._source = source

    async def observe(self) -> Observation:
        status = await self._status()
        waiting = None if status.next.state == "booted" else status.next
        back = next(
            (slot for slot in status.others if slot is not waiting and slot.boot_status == "good"), None
        )
        return Observation(
            OS,
            status.booted.release or await self._told_by_itself(),
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            (waiting.release or Release(f"slot {waiting.name}")) if waiting else None,
            back.release if back else None,
            await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        """`install` writes the other slot and makes it the next to boot."""
        argv = ("rauc", "install", bundle_of(self._source, release))
        await refuse_others(self._host)
        ran = await finish(self._host, token or f"stage/{release.version}", argv, progress, percent)
        if not ran.good:
            raise MachineError(
                f"{' '.join(argv)}: exit {ran.code}: {last_error(ran.stdout)}{shown(ran.stderr)}"
            )
        written = (await self._status()).next.release
        if written is None or written.version != release.version:
            await checked(self._host, ("rauc", "status", "mark-active", "booted"))
            found = "no version" if written is None else written.version
            raise MachineError(
                f"the bundle wrote {found}, not {release.version}; the booted slot stays the next"
            )
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        status = await self._status()
        if status.next.state != "booted":
            return
        if not any(slot.boot_status == "good" for slot in status.others):
            raise MachineError("no other slot is marked good")
        await checked(self._host, ("rauc", "status", "mark-active", "other"))

    async def mark_good(self) -> None:
        await checked(self._host, ("rauc", "status", "mark-good"))

    async def _told_by_itself(self) -> Release:
        """A slot that was flashed in the factory: the booted system's own word."""
        return Release(osrelease.version(osrelease.parse(await read(self._host, "/etc/os-release") or "")))

    async def _status(self) -> Status:
        return parse(await checked(self._host, STATUS))
