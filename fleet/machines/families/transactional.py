"""transactional-update: openSUSE MicroOS, Leap Micro, SUSE Linux Micro. A deployment is a snapshot of the root file
system.

There is no `status` command: snapper shows which snapshot is mounted (active) and which boots next (default). The
release of a snapshot comes from fleet's note on it, made when it was written, or else from its own os-release: its
image's version, or its VERSION_ID where that is a date, as in MicroOS and Tumbleweed. Products (6.1, 16.0) keep their
VERSION_ID over all updates, so it shows no release there. Sources: `transactional-update(8)` 2 to 5, `snapper(8)`; for
SUSE Linux Micro github.com/longhorn/cli/issues/462.
"""

from __future__ import annotations

import re

from msgspec import Struct

from fleet.core.releases.release import Release, is_release
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import os_release, shell
from fleet.machines.families.signs import Signs
from fleet.machines.host import CommandResult, Host, checked, read
from fleet.machines.progress import ReportPercent

OS = "transactional-update"
LIST = ("--jsonout", "list", "--columns", "number,default,active,userdata")
STATE = "/var/lib/misc/transactional-update.state"
VERSION, DIGEST, REFERENCE = "fleet-version", "fleet-digest", "fleet-reference-digest"
"""Keys of a snapshot's userdata. A snapshot that is made from another one does not inherit them."""
IN_PROGRESS = "transactional-update-in-progress"
_WORKING = re.compile(r"^LAST_WORKING_SNAPSHOTS=['\"]?([0-9 ]*)['\"]?$", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,9}")
_WRITTEN = re.compile(r"New default snapshot is #([0-9]{1,9})\b")
_DATE = re.compile(r"20\d{6}")
_PLAIN = re.compile(r"[\w.+:~-]+", re.ASCII)
"""Matches a value that snapper's userdata can hold: a comma or an equals sign would begin another key."""


class SnapperSnapshot(Struct, frozen=True):
    number: int
    default: bool = False
    """True if the snapshot boots next."""
    active: bool = False
    """True if the snapshot is mounted as /."""
    userdata: dict[str, str] | None = None

    @property
    def noted(self) -> Release | None:
        """Returns the release that fleet has noted on the snapshot."""
        data = self.userdata or {}
        if not data.get(VERSION):
            return None
        return Release(data[VERSION], data.get(DIGEST, ""), reference_digest=data.get(REFERENCE, ""))

    @property
    def written(self) -> bool:
        """Returns whether the snapshot is complete: it is not being written, and its writing did not break off."""
        return (self.userdata or {}).get(IN_PROGRESS, "no") != "yes"


class Snapshots(Struct, frozen=True):
    active: SnapperSnapshot
    default: SnapperSnapshot
    all: tuple[SnapperSnapshot, ...]

    def find(self, number: int) -> SnapperSnapshot | None:
        return next((snapshot for snapshot in self.all if snapshot.number == number), None)


def parse(text: str) -> Snapshots:
    """Parses snapper's list. Raises MachineError with the text. Snapshot 0 is no deployment."""
    try:
        configs = decode(text, dict[str, tuple[SnapperSnapshot, ...]])
    except UnreadableError as error:
        raise MachineError(f"snapper's list is not understood ({error}): {text[:300]!r}") from error
    found = tuple(snapshot for listed in configs.values() for snapshot in listed if snapshot.number != 0)
    active = [snapshot for snapshot in found if snapshot.active]
    default = [snapshot for snapshot in found if snapshot.default]
    if len(configs) != 1 or len(active) != 1 or len(default) != 1:
        raise MachineError(f"snapper has no single active and default snapshot: {text[:300]!r}")
    return Snapshots(active[0], default[0], found)


def last_working(state: str, snapshots: Snapshots) -> SnapperSnapshot | None:
    """Returns the snapshot to roll back to, by transactional-update's state file; None where the file names none."""
    noted = _WORKING.search(state)
    values = noted[1].split() if noted else []
    numbers = sorted({int(value) for value in values if _NUMBER.fullmatch(value)}, reverse=True)
    known = (snapshots.find(number) for number in numbers)
    return next(
        (snapshot for snapshot in known if snapshot and snapshot.written and not snapshot.active), None
    )


def own_version(fields: dict[str, str]) -> str:
    """Returns the version in a snapshot's own os-release; empty where VERSION_ID is the product's."""
    version = fields.get("VERSION_ID", "")
    return fields.get("IMAGE_VERSION") or (version if _DATE.fullmatch(version) else "")


def written_by(ran: CommandResult) -> int | None:
    """Returns the snapshot that transactional-update reports as the new default; None: it has written none. A job that
    was found again reports it too, when the default has changed already. Source: tukit's lib/Transaction.cpp, versions
    3 to 5."""
    found = _WRITTEN.findall(f"{ran.stdout}\n{ran.stderr}")
    return int(found[-1]) if found else None


def _refuse_other(command: str, release: Release, written: int | None, default: int) -> None:
    """Raises MachineError where the default snapshot is not the one that the command has just written: a snapshot of
    another party, from before or meanwhile, is no release of fleet's."""
    if written is None:
        raise MachineError(f"{command} wrote no snapshot: {release.version} is not the release that it finds")
    if written != default:
        raise MachineError(
            f"{command} wrote snapshot {written}, and the default is {default} now: something else has changed it",
            f"compare both (snapper list); transactional-update rollback {written} makes that one the default",
        )


class TransactionalUpdate:
    def __init__(self, host: Host, source: str = "") -> None:
        """Makes the Family. `source` is a repository of OCI images to apply by digest; empty: `dup` to the state of
        the repositories."""
        self._host = host
        self._source = source

    async def observe(self) -> Observation:
        """Observes the machine, as `Family.observe` does."""
        snapshots = await self._snapshots()
        waits = snapshots.default is not snapshots.active
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
            live_patches=await shell.live_patches(self._host),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release, as `Family.stage` does."""
        before = (await self._snapshots()).active
        how = await self._dup_command(before, release)
        argv = ("transactional-update", "--non-interactive", "--no-selfupdate", *how)
        ran = await shell.long(self._host, token or f"stage/{release.version}", argv, progress)
        written = (await self._snapshots()).default
        _refuse_other(how[0], release, written_by(ran), written.number)
        if self._source:
            # An image is identified by its digest: its os-release may be that of the image it was built from.
            noted = {VERSION: release.version, DIGEST: release.digest, REFERENCE: release.reference_digest}
            userdata = ",".join(f"{key}={value}" for key, value in noted.items() if value)
            await self._snapper("modify", "--userdata", userdata, str(written.number))
        else:
            await self._keep(release, written.number, before.number)
        progress(100)

    async def _keep(self, release: Release, written: int, before: int) -> None:
        """Keeps the snapshot that `dup` has written if it is the release; otherwise has the booted snapshot boot next
        again, and raises MachineError."""
        version = own_version(await self._os_release(written))
        if not is_release(Release(version), release):
            await checked(self._host, ("transactional-update", "rollback", str(before)))
            raise MachineError(
                f"dup wrote {version or 'no version'}, not {release.version}: nothing is staged"
            )

    async def _dup_command(self, booted: SnapperSnapshot, release: Release) -> tuple[str, ...]:
        """Returns the command. Raises MachineError where the written snapshot could not be distinguished from the
        booted one."""
        if self._source:
            if not release.pin:
                raise MachineError(
                    f"{release.version} has no digest in its stream, and {self._source} needs one"
                )
            if not _PLAIN.fullmatch(release.version):
                raise MachineError(f"snapper's userdata cannot have the version {release.version!r}")
            return ("apply-oci", "--image", f"{self._source}@{release.pin}")
        fields = await self._os_release(booted.number)
        if not own_version(fields):
            raise MachineError(
                f"VERSION_ID={fields.get('VERSION_ID', '')} of {fields.get('ID', '?')} is the product's and stays the same "
                "over its updates, so the release that dup writes cannot be determined: give the pool a repository of OCI "
                "images as its source"
            )
        return ("dup",)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        snapshots = await self._snapshots()
        back = last_working(await read(self._host, STATE) or "", snapshots)
        if back is None:
            raise MachineError(f"{STATE} knows no other working snapshot")
        if snapshots.default is not back:
            await checked(self._host, ("transactional-update", "rollback", str(back.number)), 300)

    async def mark_good(self) -> None:
        """Does nothing: health-checker, where it is installed, decides by itself."""

    async def _snapshots(self) -> Snapshots:
        return parse((await self._snapper(*LIST)).stdout)

    async def _snapper(self, *argv: str) -> CommandResult:
        """Runs snapper as transactional-update does: without snapper's D-Bus service where that does not answer."""
        ran = await self._host.run(("snapper", *argv))
        if not ran.succeeded:
            ran = await self._host.run(("snapper", "--no-dbus", *argv))
        if not ran.succeeded:
            raise MachineError(ran.message)
        return ran

    async def _release(self, snapshot: SnapperSnapshot) -> Release:
        if snapshot.noted is not None:
            return snapshot.noted
        fields = await self._os_release(snapshot.number)
        product = fields.get("VERSION_ID") or "unknown"
        return Release(own_version(fields) or f"{product}+snapshot.{snapshot.number}")

    async def _os_release(self, snapshot: int) -> dict[str, str]:
        """Returns the os-release of a snapshot; empty where the snapshot has none: it then has no release that a pool
        could target."""
        text = await read(self._host, f"/.snapshots/{snapshot}/snapshot/usr/lib/os-release")
        return os_release.parse(text) if text and text.strip() else {}


def recognizes(signs: Signs) -> bool:
    return {"transactional-update", "snapper"} <= signs.programs


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: TransactionalUpdate(host, source),
    recognizes=recognizes,
    programs=("transactional-update", "snapper"),
)
