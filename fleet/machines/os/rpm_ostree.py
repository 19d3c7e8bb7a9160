"""rpm-ostree: Fedora CoreOS, IoT, Silverblue. A deployment is an ostree commit or a container image.

Staged with its finalization locked, so that no other reboot boots it (Zincati's way): `finalize-deployment` unlocks
it and reboots. Sources: `rpm-ostree(1)`; github.com/coreos/zincati, src/rpm_ostree; of image references
coreos.github.io/rpm-ostree/container.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host
from fleet.machines.os import shell
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "rpm-ostree"
LOCKED = ("--bypass-driver", "--lock-finalization")
_PERCENT = re.compile(r"(\d{1,3})%")
_IMAGE = re.compile(r"ostree-(image-signed|unverified-(image|registry)|remote-(image|registry)):\S+")
_REFSPEC = re.compile(r"\w[\w.-]*:\w[\w./+-]*", re.ASCII)


class Deployment(Struct, frozen=True, rename="kebab"):
    """One entry of `rpm-ostree status --json`, in the order in which the boot loader lists them."""

    checksum: str
    version: str | None = None
    booted: bool = False
    staged: bool = False
    pinned: bool = False
    finalization_locked: bool = False
    origin: str | None = None
    """The branch that a commit came from, `REMOTE:BRANCH`."""
    container_image_reference: str | None = None
    container_image_reference_digest: str | None = None
    requested_packages: tuple[str, ...] = ()
    requested_local_packages: tuple[str, ...] = ()

    @property
    def release(self) -> Release:
        """The image's digest, or the commit."""
        digest = self.container_image_reference_digest or f"sha256:{self.checksum}"
        return Release(self.version or self.checksum[:12], digest)


class Status(Struct, frozen=True):
    deployments: tuple[Deployment, ...]
    transaction: Any = None

    @property
    def place(self) -> int:
        """Where the booted one stands in the list."""
        return next(index for index, each in enumerate(self.deployments) if each.booted)

    @property
    def booted(self) -> Deployment:
        return self.deployments[self.place]

    @property
    def staged(self) -> Deployment | None:
        """What boots next, if that is another one than the booted."""
        return self.deployments[0] if self.place else None

    @property
    def rollback(self) -> Deployment | None:
        """rpm-ostree's own notion: what stands behind the booted one."""
        return next(iter(self.deployments[self.place + 1 :]), None)


def parse(text: str) -> Status:
    """Raises MachineError with the text where it is not a status of one booted deployment."""
    try:
        status = msgspec.json.decode(text, type=Status)
    except msgspec.MsgspecError as error:
        raise MachineError(f"rpm-ostree status is not understood ({error}): {text[:300]!r}") from error
    if sum(each.booted for each in status.deployments) != 1:
        ids = ", ".join(each.checksum[:12] for each in status.deployments) or "none"
        raise MachineError(f"rpm-ostree status has not one booted deployment, but of these: {ids}")
    return status


def stage_command(booted: Deployment, release: Release, source: str = "") -> Sequence[str]:
    """What stages the release. `source`: the image's repository or the branch that it is of; empty: the booted one's.

    Raises MachineError where a digest is needed that is not known, and for a source that is neither.
    """
    if source and not _IMAGE.fullmatch(source) and not _REFSPEC.fullmatch(source):
        raise MachineError(
            f"the source {source!r} is neither an image, such as ostree-image-signed:docker://quay.io/x/y, "
            "nor a branch, such as fedora:fedora/x86_64/coreos/stable"
        )
    place = source or booted.container_image_reference or ""
    # A rebase to the branch that is booted already is refused: "Old and new refs are equal".
    if not place or (source and source == booted.origin and booted.container_image_reference is None):
        revision = release.digest.removeprefix("sha256:")
        wanted = f"revision={revision}" if revision else f"version={release.version}"
        return ("rpm-ostree", "deploy", *LOCKED, "--skip-branch-check", wanted)
    if not release.digest:
        raise MachineError(f"{release.version} has no digest in its stream, and {place} needs one")
    if not _IMAGE.fullmatch(place):
        return ("rpm-ostree", "rebase", *LOCKED, place, release.digest.removeprefix("sha256:"))
    return ("rpm-ostree", "rebase", *LOCKED, f"{repository(place)}@{release.digest}")


def repository(reference: str) -> str:
    """Without tag and digest: `ostree-image-signed:docker://quay.io/x/y:stable` is `...quay.io/x/y`."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def percent(text: str) -> int | None:
    """The last percentage that it printed."""
    found = _PERCENT.findall(text)
    return int(found[-1]) if found else None


class RpmOstree:
    def __init__(self, host: Host, source: str = "") -> None:
        """`source`: an image's repository or a branch to rebase to; empty: releases are of what is booted."""
        self._host = host
        self._source = source

    async def observe(self) -> Observation:
        status = await self._status()
        staged, rollback = status.staged, status.rollback
        return Observation(
            OS,
            status.booted.release,
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            staged.release if staged else None,
            rollback.release if rollback else None,
            await shell.kernel_arguments(self._host),
            (*status.booted.requested_packages, *status.booted.requested_local_packages),
            await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        argv = stage_command((await self._status()).booted, release, self._source)
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress, percent)
        progress(100)

    async def reboot(self) -> None:
        staged = (await self._status()).staged
        if staged is not None and staged.finalization_locked:
            await shell.reboot(self._host, ("rpm-ostree", "finalize-deployment", staged.checksum))
        else:
            await shell.reboot(self._host)

    async def roll_back(self) -> None:
        """`rollback` exchanges the two newest, so what is staged goes first."""
        status = await self._status()
        back = status.rollback
        if status.staged is not None and status.staged.staged:
            await shell.output(self._host, "rpm-ostree", "cleanup", "--pending")
        elif status.staged is not None:
            return
        if back is None:
            raise MachineError("there is no deployment behind the booted one to roll back to")
        await shell.output(self._host, "rpm-ostree", "rollback")

    async def mark_good(self) -> None:
        """Nothing: greenboot, where it is there, judges by itself."""

    async def _status(self) -> Status:
        return parse(await shell.output(self._host, "rpm-ostree", "status", "--json"))
