"""Bottlerocket: it has no shell; `apiclient` in the control container calls its API.

The states of an update are Idle, Available, Staged, Ready. Source: bottlerocket-os/bottlerocket-core-kit, sources/api
(openapi.yaml, thar-be-updates/src/status.rs, apiserver). An update has a status from the first action after a boot on:
before that the API answers 404, and 423 while an action holds its lock.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

from msgspec import Struct

from fleet.core.releases.release import Release, is_release
from fleet.core.text.untrusted import UnreadableError, convert, decode
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import shell
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host, LostError, checked
from fleet.machines.progress import ReportPercent

OS = "bottlerocket"
STATES = ("Idle", "Available", "Staged", "Ready")
_ANSWERED = re.compile(r"\bStatus (\d{3}) when ")
"""Matches the API's status code in a message of apiclient, which prints errors without structure."""
LOOK = 1.0
"""Seconds between two checks of an update in progress."""
STEPS = (("refresh-updates", 10), ("prepare-update", 80), ("activate-update", 95))
"""An action of the API, and the percentage of the work that is done after it."""


class BottlerocketImage(Struct, frozen=True):
    version: str
    variant: str = ""
    arch: str = ""


class Partition(Struct, frozen=True):
    image: BottlerocketImage
    next_to_boot: bool | None = None


class ApiCommand(Struct, frozen=True):
    cmd_type: str
    cmd_status: str
    stderr: str | None = None
    timestamp: str = ""


class BottlerocketStatus(Struct, frozen=True):
    update_state: str
    active_partition: Partition | None = None
    staging_partition: Partition | None = None
    chosen_update: BottlerocketImage | None = None
    most_recent_command: ApiCommand | None = None

    @property
    def staged(self) -> Release | None:
        if self.staging_partition is not None and self.staging_partition.next_to_boot:
            return Release(self.staging_partition.image.version)
        if self.active_partition is not None and self.active_partition.next_to_boot is False:
            return Release("unknown: the partition that boots next is not the one that the API has written")
        return None


def parse_os(text: str) -> Release:
    """Parses `/os`, whose keys have underscores, and hyphens in its openapi.yaml. Raises MachineError with the
    text."""
    try:
        fields = decode(text, dict[str, Any])
        version = convert(fields.get("version_id") or fields["version-id"], str)
    except (UnreadableError, KeyError) as error:
        raise MachineError(f"Bottlerocket's /os is not understood ({error}): {text[:300]!r}") from error
    return Release(version)


def parse(text: str) -> BottlerocketStatus:
    """Parses `/updates/status`, or what `apiclient update check` prints after its log. Raises MachineError with the
    text."""
    start = text.find("{")
    try:
        status = decode(text[max(start, 0) :], BottlerocketStatus)
    except UnreadableError as error:
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
        """Observes the machine. Its API reports no rollback: after a boot only `signpost` knows of it."""
        booted = parse_os(await checked(self._host, ("apiclient", "raw", "-u", "/os")))
        try:
            status = await self._status()
            staged = status.staged if status else None
        except MachineError:
            # The booted release is known all the same; a reboot into an unknown release is refused with this text.
            staged = Release("unknown: Bottlerocket does not report what is staged")
        return Observation(
            OS, booted, await shell.boot_id(self._host), await shell.kernel(self._host), staged
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release. The actions return at once and go on in the machine; a setting pins the version."""
        version = release.version
        if version.startswith("v"):
            raise MachineError(
                f"Bottlerocket reports its versions without the v of {version}, so this one would never be seen as booted: "
                f"write {version[1:]} in the stream"
            )
        await checked(self._host, ("apiclient", "set", f"updates.version-lock=v{version}"))
        before = await self._status()
        if before is not None and before.update_state == "Ready":
            await self._act("deactivate-update")
        for action, percent in STEPS:
            status = await self._act(action)
            chosen = status.chosen_update
            if action == "refresh-updates" and (
                chosen is None or not is_release(Release(chosen.version), release)
            ):
                found = chosen.version if chosen else "none"
                raise MachineError(f"its repository offers {found} while it is locked to {version}")
            progress(percent)
        after = await self._status()
        staged = after.staged if after else None
        if not is_release(staged, release):
            raise MachineError(f"{staged.version if staged else 'nothing'} is staged, not {version}")
        progress(100)

    async def reboot(self) -> None:
        await shell.go_down(self._host, _action("reboot"))

    async def roll_back(self) -> None:
        """Cancels the staged update, before the reboot only; afterwards only an operator can roll back, in the admin
        container."""
        status = await self._status()
        if status is None or status.update_state != "Ready":
            raise MachineError(
                "Bottlerocket's API cannot boot the old partition: in the admin container, "
                "sudo sheltie, then signpost rollback-to-inactive and reboot"
            )
        await self._act("deactivate-update")

    async def mark_good(self) -> None:
        """Does nothing: mark-successful-boot.service marks the boot."""

    async def _act(self, action: str) -> BottlerocketStatus:
        """Starts an action and returns when the machine reports that it is done. 409 means that the state does not
        allow the action; the state itself shows this."""
        earlier = await self._status()
        before = earlier.most_recent_command if earlier else None
        with suppress(LostError):
            await checked(self._host, _action(action))
        kind = action.partition("-")[0]
        while True:
            status = await self._status(busy=True)
            command = status.most_recent_command if status else None
            if status is not None and command is not None and command != before and command.cmd_type == kind:
                if command.cmd_status == "Success":
                    return status
                raise MachineError(
                    f"{action} ended as {command.cmd_status}: {command.stderr or 'it gives no reason'}"
                )
            await asyncio.sleep(LOOK)

    async def _status(self, busy: bool = False) -> BottlerocketStatus | None:
        """Returns the update's status. None before the first action since the boot: then nothing was set to boot next
        either. With `busy`, None also while an action holds the lock."""
        ran = await self._host.run(("apiclient", "raw", "-u", "/updates/status"))
        if ran.succeeded:
            return parse(ran.stdout)
        answered = _ANSWERED.search(ran.stderr)
        if answered and (answered[1] == "404" or (busy and answered[1] == "423")):
            return None
        raise MachineError(ran.message)


def _action(name: str) -> tuple[str, ...]:
    return ("apiclient", "raw", "-u", f"/actions/{name}", "-m", "POST")


def recognizes(signs: Signs) -> bool:
    return signs.os_release.get("ID") == "bottlerocket" or "apiclient" in signs.programs


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: Bottlerocket(host),
    recognizes=recognizes,
    programs=("apiclient",),
    has_shell=False,
)
