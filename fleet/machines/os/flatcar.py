"""Flatcar: update_engine writes the other /usr partition. Source: flatcar.org/docs, `flatcar-update`.

`flatcar-update` fetches one version and stays until it is written. update_engine often tells 0.0.0 as the version that
waits, so fleet leaves a note of what it asked for in /run, which goes with the boot as the update's waiting does.
"""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host, checked, read
from fleet.machines.os import osrelease, shell
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "flatcar"
NOTE = "/run/fleet-staged-version"
STATUS = ("update_engine_client", "-status")
UNTOLD = re.compile(r"[0.]*")


class Operation(StrEnum):
    IDLE = "UPDATE_STATUS_IDLE"
    CHECKING = "UPDATE_STATUS_CHECKING_FOR_UPDATE"
    AVAILABLE = "UPDATE_STATUS_UPDATE_AVAILABLE"
    DOWNLOADING = "UPDATE_STATUS_DOWNLOADING"
    VERIFYING = "UPDATE_STATUS_VERIFYING"
    FINALIZING = "UPDATE_STATUS_FINALIZING"
    NEED_REBOOT = "UPDATE_STATUS_UPDATED_NEED_REBOOT"
    REPORTING_ERROR = "UPDATE_STATUS_REPORTING_ERROR_EVENT"


class Status(Struct, frozen=True):
    operation: Operation
    progress: float
    """0 to 1."""
    new_version: str
    """Empty where update_engine does not tell it."""


def parse(text: str) -> Status:
    """The last status in the output of update_engine_client. Raises MachineError with the text."""
    fields = dict(
        line.strip().split("=", 1) for line in text.splitlines() if "=" in line and line[:1].isupper()
    )
    try:
        operation = Operation(fields["CURRENT_OP"])
        progress = float(fields["PROGRESS"])
        version = fields["NEW_VERSION"]
    except (KeyError, ValueError) as error:
        raise MachineError(f"update_engine's status is not understood ({error}): {text[:300]!r}") from error
    return Status(operation, progress, "" if UNTOLD.fullmatch(version) else version)


class Flatcar:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def observe(self) -> Observation:
        """The rollback is not told: the other partition's version is known to nobody without mounting it."""
        fields = osrelease.parse(await read(self._host, "/etc/os-release") or "")
        return Observation(
            OS,
            Release(osrelease.version(fields)),
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            await self._staged(),
            kernel_arguments=await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        staged = await self._staged()
        if staged is not None and staged.version != release.version:
            await checked(self._host, ("update_engine_client", "-reset_status"))
        script = f'flatcar-update --to-version "$1" && printf %s "$1" >{NOTE}'
        argv = ("sh", "-c", script, "sh", release.version)
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress, percent)
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        """Makes the other partition the next one, as flatcar.org/docs says for a rollback by hand."""
        script = 'cgpt prioritize "$(cgpt find -t flatcar-usr | grep --invert-match "$(rootdev -s /usr)")"'
        await checked(self._host, ("sh", "-c", script))

    async def mark_good(self) -> None:
        """Nothing: update_engine marks the booted partition good by itself, some minutes after the boot."""

    async def _staged(self) -> Release | None:
        status = parse(await checked(self._host, STATUS))
        if status.operation is not Operation.NEED_REBOOT:
            return None
        note = (await read(self._host, NOTE) or "").strip()
        return Release(status.new_version or note or "unknown: not staged by fleet")


def percent(text: str) -> int | None:
    """flatcar-update passes on what update_engine_client prints while it waits."""
    found = [line for line in text.splitlines() if line.startswith("PROGRESS=")]
    try:
        return int(float(found[-1].partition("=")[2]) * 100) if found else None
    except ValueError:
        return None
