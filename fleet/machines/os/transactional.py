"""transactional-update: openSUSE MicroOS, Leap Micro. A deployment is a snapshot of the root file system.

There is no `status` command: snapper tells which snapshot is mounted (active) and which boots next (default), and each
snapshot's own os-release its version. Source: `transactional-update(8)`, `snapper(8)`.
"""

from __future__ import annotations

import re

from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host, checked, read
from fleet.machines.os import osrelease, shell
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "transactional-update"
LIST = ("snapper", "--csvout", "list", "--columns", "number,default,active")
STATE = "/var/lib/misc/transactional-update.state"
_ROW = re.compile(r"(\d+),(yes|no),(yes|no)")
_WORKING = re.compile(r"^LAST_WORKING_SNAPSHOTS=['\"]?([\d ]*)['\"]?$", re.MULTILINE)


class Snapshots(Struct, frozen=True):
    active: int
    """Is mounted as /."""
    default: int
    """Boots next."""
    numbers: tuple[int, ...]


def parse(text: str) -> Snapshots:
    """Raises MachineError with the text. Snapshot 0 is no deployment."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = [_ROW.fullmatch(line) for line in lines[1:]]
    if not lines or lines[0] != "number,default,active" or None in rows:
        raise MachineError(f"snapper's list is not understood: {text[:300]!r}")
    found = [
        (int(row[1]), row[2] == "yes", row[3] == "yes") for row in rows if row is not None and row[1] != "0"
    ]
    active = [number for number, _, mounted in found if mounted]
    default = [number for number, first, _ in found if first]
    if len(active) != 1 or len(default) != 1:
        raise MachineError(f"snapper has not one active and one default snapshot: {text[:300]!r}")
    return Snapshots(active[0], default[0], tuple(number for number, *_ in found))


def last_working(state: str, snapshots: Snapshots) -> int | None:
    """The snapshot to roll back to, of what transactional-update has noted; None where it has noted none."""
    noted = _WORKING.search(state)
    numbers = [int(word) for word in noted[1].split()] if noted else []
    known = [number for number in numbers if number in snapshots.numbers and number != snapshots.active]
    return max(known, default=None)


class TransactionalUpdate:
    def __init__(self, host: Host, source: str = "") -> None:
        """`source`: a repository of OCI images to apply by digest; empty: `dup` to what the repositories have."""
        self._host = host
        self._source = source

    async def observe(self) -> Observation:
        snapshots = await self._snapshots()
        waits = snapshots.default != snapshots.active
        back = last_working(await read(self._host, STATE) or "", snapshots)
        return Observation(
            OS,
            await self._release(snapshots.active),
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            await self._release(snapshots.default) if waits else None,
            await self._release(back) if back is not None else None,
            await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        before = await self._snapshots()
        argv = ("transactional-update", "--non-interactive", "--no-selfupdate", *self._how(release))
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress)
        written = await self._release((await self._snapshots()).default)
        if written.version != release.version:
            await checked(self._host, ("transactional-update", "rollback", str(before.active)))
            raise MachineError(
                f"the repositories have {written.version}, not {release.version}: nothing is staged"
            )
        progress(100)

    def _how(self, release: Release) -> tuple[str, ...]:
        if not self._source:
            return ("dup",)
        if not release.digest:
            raise MachineError(f"{release.version} has no digest in its stream, and {self._source} needs one")
        return ("apply-oci", "--image", f"{self._source}@{release.digest}")

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        snapshots = await self._snapshots()
        back = last_working(await read(self._host, STATE) or "", snapshots)
        if back is None:
            raise MachineError(f"{STATE} knows no other working snapshot")
        if snapshots.default != back:
            await checked(self._host, ("transactional-update", "rollback", str(back)), 300)

    async def mark_good(self) -> None:
        """Nothing: health-checker, where it is there, judges by itself."""

    async def _snapshots(self) -> Snapshots:
        return parse(await checked(self._host, LIST))

    async def _release(self, snapshot: int) -> Release:
        text = await read(self._host, f"/.snapshots/{snapshot}/snapshot/usr/lib/os-release")
        if text is None:
            raise MachineError(f"snapshot {snapshot} has no /usr/lib/os-release")
        return Release(osrelease.version(osrelease.parse(text)))
