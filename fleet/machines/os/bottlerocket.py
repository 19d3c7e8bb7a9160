"""Bottlerocket: no shell; its API is spoken to with `apiclient` from the control container.

The states of an update are Idle, Available, Staged, Ready. Source: bottlerocket-os/bottlerocket, sources/updater and
sources/api/openapi.yaml.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host, LostError, checked
from fleet.machines.os import shell
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "bottlerocket"
STATES = ("Idle", "Available", "Staged", "Ready")
LOOK = 1.0
"""Seconds between two looks at an update that goes on."""
STEPS = (("refresh-updates", 10), ("prepare-update", 80), ("activate-update", 95))
"""An action of the API, and the percent of the work that is done after it."""


class Image(Struct, frozen=True):
    version: str
    variant: str = ""
    arch: str = ""


class Partition(Struct, frozen=True):
    image: Image
    next_to_boot: bool = False


class Command(Struct, frozen=True):
    cmd_type: str
    cmd_status: str
    stderr: str | None = None
    timestamp: str = ""


class Status(Struct, frozen=True):
    update_state: str
    active_partition: Partition | None
    staging_partition: Partition | None = None
    chosen_update: Image | None = None
    most_recent_command: Command | None = None

    @property
    def booted(self) -> Release:
        if self.active_partition is None:
            raise MachineError("Bottlerocket's status has no active partition")
        return Release(self.active_partition.image.version)

    @property
    def staged(self) -> Release | None:
        there = self.staging_partition
        return Release(there.image.version) if there is not None and there.next_to_boot else None


def parse(text: str) -> Status:
    """Of `/updates/status`, or of `apiclient update check`, which logs before it. Raises MachineError with the text."""
    start = text.find("{")
    try:
        status = msgspec.json.decode(text[max(start, 0) :], type=Status)
    except msgspec.MsgspecError as error:
        raise MachineError(f"Bottlerocket's status is not understood ({error}): {text[:300]!r}") from error
    if status.update_state not in STATES:
        raise MachineError(
            f"Bottlerocket's update state {status.update_state!r} is none of {', '.join(STATES)}"
        )
    return status


class Bottlerocket:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def observe(self) -> Observation:
        """Its API tells no rollback: after a boot only `signpost` knows of it."""
        status = await self._status()
        return Observation(
            OS, status.booted, await shell.boot_id(self._host), await shell.kernel(self._host), status.staged
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        """The actions answer at once and go on in the machine; the version is pinned by a setting."""
        version = release.version.removeprefix("v")
        await checked(self._host, ("apiclient", "set", f"updates.version-lock=v{version}"))
        if (await self._status()).update_state == "Ready":
            await self._act("deactivate-update")
        for action, percent in STEPS:
            status = await self._act(action)
            chosen = status.chosen_update
            if action == "refresh-updates" and (chosen is None or chosen.version != version):
                found = chosen.version if chosen else "none"
                raise MachineError(f"its repository offers {found} under the lock on {version}")
            progress(percent)
        staged = (await self._status()).staged
        if staged is None or staged.version != version:
            raise MachineError(f"{staged.version if staged else 'nothing'} is staged, not {version}")
        progress(100)

    async def reboot(self) -> None:
        await shell.go_down(self._host, _action("reboot"))

    async def roll_back(self) -> None:
        """Before the reboot alone; afterwards only a person can, in the admin container."""
        if (await self._status()).update_state != "Ready":
            raise MachineError(
                "Bottlerocket's API cannot boot the old partition: in the admin container, "
                "sudo sheltie, then signpost rollback-to-inactive and reboot"
            )
        await self._act("deactivate-update")

    async def mark_good(self) -> None:
        """Nothing: mark-successful-boot.service does."""

    async def _act(self, action: str) -> Status:
        """Until the machine says that it is done. 409: the state does not allow it, which the state itself tells."""
        before = (await self._status()).most_recent_command
        with suppress(LostError):
            await checked(self._host, _action(action))
        kind = action.partition("-")[0]
        while True:
            status = await self._status()
            command = status.most_recent_command
            if command is not None and command != before and command.cmd_type == kind:
                if command.cmd_status == "Success":
                    return status
                if command.cmd_status == "Failed":
                    raise MachineError(f"{action} failed: {command.stderr or 'it says not why'}")
            await asyncio.sleep(LOOK)

    async def _status(self) -> Status:
        return parse(await checked(self._host, ("apiclient", "raw", "-u", "/updates/status")))


def _action(name: str) -> tuple[str, ...]:
    return ("apiclient", "raw", "-u", f"/actions/{name}", "-m", "POST")
