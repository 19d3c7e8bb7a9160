"""bootc: hosts whose operating system is a container image. Source: bootc.dev, `bootc(8)`, and its status schema."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host
from fleet.machines.os import shell
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "bootc"
STATUS = ("bootc", "status", "--format", "json", "--format-version", "1")


class Reference(Struct, frozen=True):
    image: str
    transport: str = "registry"
    signature: Any = None


class Image(Struct, frozen=True, rename="camel"):
    image: Reference
    image_digest: str
    version: str | None = None


class Ostree(Struct, frozen=True):
    checksum: str


class Entry(Struct, frozen=True):
    """A deployment. `image` is null for one that came by ostree."""

    image: Image | None = None
    ostree: Ostree | None = None
    pinned: bool = False
    incompatible: bool = False

    @property
    def release(self) -> Release:
        if self.image is not None:
            return Release(self.image.version or self.image.image_digest, self.image.image_digest)
        if self.ostree is not None:
            return Release(self.ostree.checksum[:12], f"sha256:{self.ostree.checksum}")
        raise MachineError("bootc status has a deployment with neither an image nor an ostree commit")


class Slots(Struct, frozen=True, rename="camel"):
    staged: Entry | None
    booted: Entry | None
    rollback: Entry | None
    rollback_queued: bool = False


class Status(Struct, frozen=True, rename="camel"):
    api_version: Literal["org.containers.bootc/v1", "org.containers.bootc/v1alpha1"]
    kind: Literal["BootcHost"]
    status: Slots


def parse(text: str) -> Status:
    """Raises MachineError with the text where it is no status of a BootcHost."""
    try:
        return msgspec.json.decode(text, type=Status)
    except msgspec.MsgspecError as error:
        raise MachineError(f"bootc status is not understood ({error}): {text[:300]!r}") from error


def booted(status: Status) -> Entry:
    """Raises MachineError on a machine that bootc has not booted."""
    if status.status.booted is None:
        raise MachineError("bootc status has no booted deployment: this machine was not booted by bootc")
    return status.status.booted


def image_of(entry: Entry, release: Release) -> tuple[str, ...]:
    """The arguments of `bootc switch` that name the release: the booted image's repository, by digest."""
    if entry.image is None:
        raise MachineError("the booted deployment came by ostree: bootc switch it to an image once, by hand")
    if not release.digest:
        raise MachineError(f"{release.version} has no digest in its stream, and bootc needs one")
    reference = entry.image.image
    if reference.transport != "registry":
        raise MachineError(f"the booted image came by {reference.transport}: {reference.image}")
    head, slash, last = reference.image.partition("@")[0].rpartition("/")
    return (f"{head}{slash}{last.partition(':')[0]}@{release.digest}",)


class Bootc:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def observe(self) -> Observation:
        status = await self._status()
        slots = status.status
        next_one = slots.rollback if slots.rollback_queued else slots.staged
        return Observation(
            OS,
            booted(status).release,
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            next_one.release if next_one else None,
            slots.rollback.release if slots.rollback else None,
            await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        argv = ("bootc", "switch", *image_of(booted(await self._status()), release))
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress)
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        """`bootc rollback` is a switch to and fro: it is not pressed twice."""
        slots = (await self._status()).status
        if slots.rollback_queued:
            return
        if slots.rollback is None:
            raise MachineError("bootc has no rollback deployment")
        await shell.output(self._host, "bootc", "rollback")

    async def mark_good(self) -> None:
        """Nothing: bootc does not count boots."""

    async def _status(self) -> Status:
        return parse(await shell.output(self._host, *STATUS))
