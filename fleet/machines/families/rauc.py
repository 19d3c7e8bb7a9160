"""RAUC: slots A and B, written from signed bundles. Source: rauc.readthedocs.io, `rauc(1)` 1.5 to 1.15."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.releases.release import Release, distinct_name, is_release
from fleet.core.text.untrusted import UnreadableError, convert, decode
from fleet.machines.competing_updaters import refuse_competing_updaters
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import os_release, shell
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host, checked, read, shown
from fleet.machines.job import finish
from fleet.machines.progress import ReportPercent

OS = "rauc"
STATUS = ("rauc", "status", "--detailed", "--output-format=json")
STATES = frozenset({"booted", "active", "inactive"})
"""States of a slot; `active` is a child of the booted one."""
_PERCENT = re.compile(r"[0-9]{1,3}")
EXTERNAL = frozenset({"_external_", "/dev/nfs"})
"""Values of `booted` where no slot was booted; older versions print `/dev/nfs` for a root over NFS."""


class RaucBundle(Struct, frozen=True):
    version: str | None = None


class Checksum(Struct, frozen=True):
    sha256: str | None = None


class SlotStatus(Struct, frozen=True):
    bundle: RaucBundle | None = None
    checksum: Checksum | None = None


class Slot(Struct, frozen=True, rename={"kind": "class"}):
    """A slot. Only slots with a boot name are booted; the others are children of one, or hold data."""

    name: str
    state: str
    kind: str = ""
    """The slot's class: rootfs, rescue, appfs, ..."""
    bootname: str | None = None
    boot_status: str | None = None
    slot_status: SlotStatus | None = None

    @property
    def release(self) -> Release | None:
        """Returns the release of the bundle that was written to the slot; None where RAUC did not write it. The digest
        is that of the written image."""
        status = self.slot_status
        if status is None or status.bundle is None or not status.bundle.version:
            return None
        sha = status.checksum.sha256 if status.checksum else None
        return Release(status.bundle.version, f"sha256:{sha}" if sha else "")


class RaucStatus(Struct, frozen=True):
    slots: tuple[Slot, ...]
    """The slots that can be booted."""
    booted: Slot | None
    """The booted slot. None: the machine was booted from another medium (`rauc.external` on the kernel's command
    line)."""
    next: Slot | None
    """The slot that boots next; None where the boot loader does not report it."""

    @property
    def staged(self) -> Release | None:
        """Returns the release that boots next, if it is in another slot than the booted one."""
        if self.next is None:
            return Release("unknown: RAUC does not report which slot boots next")
        if self.next is self.booted:
            return None
        return self.next.release or Release(f"slot {self.next.name}")

    @property
    def rollback(self) -> Slot | None:
        """Returns the other slot of the booted one's class; a rescue slot has another class. None while another slot
        waits to boot."""
        if self.booted is None or self.next is not self.booted:
            return None
        others = (slot for slot in self.slots if slot.kind == self.booted.kind and slot is not self.booted)
        return next((other for other in others if other.boot_status == "good"), None)


class _Wire(Struct, frozen=True):
    slots: list[dict[str, dict[str, Any]]]
    booted: str | None = None
    boot_primary: str | None = None


def parse(text: str) -> RaucStatus:
    """Parses `rauc status`. Raises MachineError with the text. `booted` may be a device or a boot name, so the states
    of slots decide which one is booted."""
    try:
        wire = decode(text, _Wire)
        named = [pair for entry in wire.slots for pair in entry.items()]
        slots = tuple(convert({"name": name, **fields}, Slot) for name, fields in named)
    except UnreadableError as error:
        raise MachineError(f"rauc status is not understood ({error}): {text[:300]!r}") from error
    bootable = tuple(slot for slot in slots if slot.bootname)
    odd = [f"{slot.name} {slot.state!r}" for slot in bootable if slot.state not in STATES]
    if odd:
        raise MachineError(f"rauc status has slots in a state that is not known: {', '.join(odd)}")
    booted = [slot for slot in bootable if slot.state == "booted"]
    if len(booted) != (wire.booted not in EXTERNAL):
        states = ", ".join(f"{slot.name} {slot.state}" for slot in slots) or "none"
        raise MachineError(f"rauc status has no single booted slot: {states}")
    waiting = next((slot for slot in bootable if slot.name == wire.boot_primary), None)
    return RaucStatus(bootable, booted[0] if booted else None, waiting)


def bundle_of(source: str, release: Release) -> str:
    """Returns the file or URL of the bundle. Raises MachineError where the policy gives none."""
    if "{version}" not in source:
        raise MachineError(f"RAUC needs the address of its bundles, with {{version}} in it; found {source!r}")
    return source.replace("{version}", release.version)


def percent(text: str) -> int | None:
    """Returns the last percentage of `rauc install`, which prints lines such as ` 40% Checking slot ...`."""
    found = [line.strip().partition("%")[0] for line in text.splitlines() if "%" in line]
    return int(found[-1]) if found and _PERCENT.fullmatch(found[-1]) else None


def last_error(text: str) -> str:
    """Returns why `rauc install` failed: rauc prints the reason among its progress, and to stderr only that it
    failed."""
    found = [line for line in text.splitlines() if line.startswith("LastError: ")]
    return f"{found[-1].removeprefix('LastError: ')}; " if found else ""


class Rauc:
    def __init__(self, host: Host, source: str = "") -> None:
        """Makes the Family. `source` is where bundles are, such as `https://updates.example/{version}.raucb`."""
        self._host = host
        self._source = source

    async def observe(self) -> Observation:
        """Observes the machine, as `Family.observe` does."""
        status = await self._status()
        booted = status.booted.release if status.booted else None
        back = status.rollback
        return Observation(
            OS,
            booted or await self._release_of_system(),
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            status.staged,
            back.release if back else None,
            await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
            live_patches=await shell.live_patches(self._host),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release: `rauc install` writes the other slot and has it boot next."""
        argv = ("rauc", "install", bundle_of(self._source, release))
        await refuse_competing_updaters(self._host)
        if (await self._status()).booted is None:
            raise MachineError(
                "it was booted from another medium and not from a slot: install a bundle by hand and boot its slot"
            )
        ran = await finish(self._host, token or f"stage/{release.version}", argv, progress, percent)
        if not ran.succeeded:
            raise MachineError(
                f"{' '.join(argv)}: exit {ran.code}: {last_error(ran.stdout)}{shown(ran.stderr)}"
            )
        staged = (await self._status()).staged
        if not is_release(staged, release):
            await checked(self._host, ("rauc", "status", "mark-active", "booted"))
            found = distinct_name(staged, release) if staged else "nothing"
            raise MachineError(
                f"the bundle wrote {found}, not {distinct_name(release, staged)}; the booted slot boots next again"
            )
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        """Makes the other slot boot next. Does nothing where that is so already: the rollback may be requested
        twice."""
        status = await self._status()
        if status.booted is None:
            raise MachineError("it was booted from another medium: it has no other slot")
        if status.next not in (status.booted, None):
            return
        back = replace(status, next=status.booted).rollback
        if back is None:
            raise MachineError(f"no other slot of class {status.booted.kind or '?'} is marked good")
        await checked(self._host, ("rauc", "status", "mark-active", back.name))

    async def mark_good(self) -> None:
        await checked(self._host, ("rauc", "status", "mark-good"))

    async def _release_of_system(self) -> Release:
        """Returns the release according to the booted system's os-release, for a slot that was flashed in the
        factory."""
        return Release(os_release.version(os_release.parse(await read(self._host, "/etc/os-release") or "")))

    async def _status(self) -> RaucStatus:
        return parse(await checked(self._host, STATUS))


def recognizes(signs: Signs) -> bool:
    return "rauc" in signs.programs and "rauc-configured" in signs.facts


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: Rauc(host, source),
    recognizes=recognizes,
    programs=("rauc",),
    # RAUC searches its configuration in all three folders (src/context.c); older versions only in /etc.
    files={"rauc-configured": tuple(f"/{folder}/rauc/system.conf" for folder in ("etc", "run", "usr/lib"))},
)
