"""rpm-ostree: Fedora CoreOS, IoT, Silverblue. A deployment is an ostree commit or a container image.

Releases are staged with their finalization locked, so that no other reboot boots them (as Zincati does):
`finalize-deployment` unlocks the deployment and reboots. Sources: `rpm-ostree(1)`; for the status rpm-ostree's
src/daemon/rpmostreed-deployment-utils.cxx and rust/src/deployment_utils.rs; github.com/coreos/zincati, src/rpm_ostree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from fleet.core.releases.release import Release
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.errors import MachineError
from fleet.machines.families import ostree
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import image_reference, shell
from fleet.machines.families.shared.ostree_etc import EtcReader
from fleet.machines.families.shared.soft_reboot import FULL_REBOOT, refuse_prepared
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host
from fleet.machines.progress import ReportPercent

OS = "rpm-ostree"
LOCKED = ("--bypass-driver", "--lock-finalization")
_PERCENT = re.compile(r"(\d{1,3})%")
_REFSPEC = re.compile(r"\w[\w.-]*:\w[\w./+-]*", re.ASCII)
_MANIFEST = "ostree.manifest-digest"


class RpmOstreeDeployment(Struct, frozen=True, rename="kebab"):
    """One entry of `rpm-ostree status --json`, in the order of the boot loader's list.

    `checksum` is that of the commit that boots: where packages are layered, or anything else was changed on the
    machine, a commit that was made on the machine. The other fields, `base_…`, then describe the release beneath;
    without changes they are absent.
    """

    checksum: str
    osname: str = ""
    version: str | None = None
    base_checksum: str | None = None
    base_version: str | None = None
    base_commit_meta: Any = None
    booted: bool = False
    staged: bool = False
    pinned: bool = False
    finalization_locked: bool = False
    origin: str | None = None
    """The branch of the commit, `REMOTE:BRANCH`."""
    container_image_reference: str | None = None
    container_image_reference_digest: str | None = None
    requested_packages: Any = None
    requested_local_packages: Any = None
    requested_local_fileoverride_packages: Any = None
    requested_base_local_replacements: Any = None

    @property
    def base(self) -> str:
        """Returns the commit that a stream names, and that `finalize-deployment` takes."""
        return self.base_checksum or self.checksum

    @property
    def release(self) -> Release:
        """Returns the image's digests, or the commit; those of the base, where packages were layered on it."""
        version = self.base_version or self.version or self.base[:12]
        if self.container_image_reference is None:
            return Release(version, f"sha256:{self.base}")
        image = image_reference.parse(self.container_image_reference)
        pin = image.digest if image is not None else ""
        meta = self.base_commit_meta if isinstance(self.base_commit_meta, dict) else {}
        digest = self.container_image_reference_digest or str(meta.get(_MANIFEST) or pin)
        return Release(version, digest, reference_digest=pin if pin != digest else "")

    @property
    def layered(self) -> tuple[str, ...]:
        """Returns the packages on top of the base, from repositories or files, and those that replace one of the
        base's."""
        listed = (
            self.requested_packages,
            self.requested_local_packages,
            self.requested_local_fileoverride_packages,
            self.requested_base_local_replacements,
        )
        return tuple(
            name for names in listed if isinstance(names, list) for name in names if isinstance(name, str)
        )


class RpmOstreeStatus(Struct, frozen=True):
    deployments: tuple[RpmOstreeDeployment, ...]
    transaction: Any = None

    @property
    def place(self) -> int:
        """Returns the index of the booted deployment in the list."""
        return next(index for index, deployment in enumerate(self.deployments) if deployment.booted)

    @property
    def booted(self) -> RpmOstreeDeployment:
        return self.deployments[self.place]

    @property
    def staged(self) -> RpmOstreeDeployment | None:
        """Returns the deployment that boots next, if it is not the booted one."""
        return self.deployments[0] if self.place else None

    @property
    def rollback(self) -> RpmOstreeDeployment | None:
        """Returns the rollback deployment by rpm-ostree's own definition: the one behind the booted one, of the same
        operating system."""
        behind = self.deployments[self.place + 1 :]
        return next((deployment for deployment in behind if deployment.osname == self.booted.osname), None)


def parse(text: str) -> RpmOstreeStatus:
    """Parses `rpm-ostree status`. Raises MachineError with the text where it is not a status of one booted
    deployment."""
    try:
        status = decode(text, RpmOstreeStatus)
    except UnreadableError as error:
        raise MachineError(f"rpm-ostree status is not understood ({error}): {text[:300]!r}") from error
    if sum(deployment.booted for deployment in status.deployments) != 1:
        ids = ", ".join(deployment.checksum[:12] for deployment in status.deployments) or "none"
        raise MachineError(f"rpm-ostree status has no single booted deployment among: {ids}")
    return status


def stage_command(booted: RpmOstreeDeployment, release: Release, source: str = "") -> Sequence[str]:
    """Returns the command that stages the release.

    `source` is the release's image repository or branch; empty: the booted one's.

    The signature verification of the booted image is kept: it is a part of the image's reference. Raises MachineError
    where a required digest is unknown, for a source that is neither, and for an image from no registry.
    """
    place = source or booted.container_image_reference or ""
    image = image_reference.parse(place)
    if source and image is None and not _REFSPEC.fullmatch(source):
        raise MachineError(
            f"the source {source!r} is neither an image, such as ostree-image-signed:docker://quay.io/x/y, "
            "nor a branch, such as fedora:fedora/x86_64/coreos/stable"
        )
    # A rebase to the branch that is booted already is refused: "Old and new refs are equal".
    if not place or (source and source == booted.origin and booted.container_image_reference is None):
        revision = release.digest.removeprefix("sha256:")
        wanted = f"revision={revision}" if revision else f"version={release.version}"
        return ("rpm-ostree", "deploy", *LOCKED, "--skip-branch-check", wanted)
    if not release.pin:
        raise MachineError(f"{release.version} has no digest in its stream, and {place} needs one")
    if image is not None and image.transport == "registry":
        return ("rpm-ostree", "rebase", *LOCKED, image.pinned(release.pin))
    if image is not None or not source:
        kind = (
            f"by {image.transport}"
            if image is not None
            else "in a way that this version of fleet does not know"
        )
        raise MachineError(
            f"the image {place} comes {kind}, and fleet stages only from registries: set one as the pool's source, such as "
            "ostree-image-signed:docker://quay.io/x/y"
        )
    return ("rpm-ostree", "rebase", *LOCKED, place, release.digest.removeprefix("sha256:"))


def percent(text: str) -> int | None:
    """Returns the last percentage that rpm-ostree printed; None where there is none."""
    found = _PERCENT.findall(text)
    return int(found[-1]) if found else None


class RpmOstree:
    def __init__(self, host: Host, source: str = "") -> None:
        """Makes the Family. `source` is an image's repository or a branch to rebase to; empty: releases are from the
        source of the booted one."""
        self._host = host
        self._source = source
        self._etc = EtcReader(host)

    async def observe(self) -> Observation:
        """Observes the machine, as `Family.observe` does."""
        status = await self._status()
        staged, rollback = status.staged, status.rollback
        boot_id = await shell.boot_id(self._host)
        return Observation(
            OS,
            status.booted.release,
            boot_id,
            await shell.kernel(self._host),
            staged.release if staged else None,
            rollback.release if rollback else None,
            await shell.kernel_arguments(self._host),
            status.booted.layered,
            await shell.units(self._host),
            await self._etc.changes(boot_id),
            await shell.live_patches(self._host),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        argv = stage_command((await self._status()).booted, release, self._source)
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress, percent)
        progress(100)

    async def reboot(self) -> None:
        """Reboots the machine, as `Family.reboot` does."""
        staged = (await self._status()).staged
        if staged is not None and staged.finalization_locked:
            await refuse_prepared(self._host)
            await shell.reboot(self._host, ("rpm-ostree", "finalize-deployment", staged.base))
            return
        if staged is not None and staged.staged:
            await self._unlock(staged)
        await shell.reboot(self._host, FULL_REBOOT)

    async def roll_back(self) -> None:
        """Makes the rollback deployment boot next. `rollback` swaps the two newest deployments, so a staged one is
        removed first."""
        status = await self._status()
        if status.staged is not None and not status.staged.staged:
            return
        if status.rollback is None:
            raise MachineError("there is no deployment after the booted one to roll back to")
        if status.staged is not None:
            await shell.output(self._host, "rpm-ostree", "cleanup", "--pending")
        await shell.output(self._host, "rpm-ostree", "rollback")

    async def mark_good(self) -> None:
        """Does nothing: greenboot, where it is installed, decides by itself."""

    async def _unlock(self, staged: RpmOstreeDeployment) -> None:
        """Unlocks the staged deployment: bootc and `ostree admin` lock a deployment in a way that rpm-ostree neither
        reports nor reverses."""
        locked = (await ostree.look(self._host)).locked
        if locked is not None and locked.checksum == staged.checksum:
            await shell.output(self._host, *ostree.UNLOCK)

    async def _status(self) -> RpmOstreeStatus:
        return parse(await shell.output(self._host, "rpm-ostree", "status", "--json"))


def recognizes(signs: Signs) -> bool:
    return "ostree-booted" in signs.facts and "rpm-ostree" in signs.programs


def is_coreos(signs: Signs) -> bool:
    """Returns whether this is Fedora CoreOS, which ships bootc too: its deployments are rpm-ostree's until an operator
    switches them."""
    return signs.os_release.get("VARIANT_ID") == "coreos" and recognizes(signs)


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: RpmOstree(host, source),
    recognizes=recognizes,
    programs=("rpm-ostree",),
    files=ostree.FAMILY.files,
)
