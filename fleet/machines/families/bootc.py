"""bootc: hosts whose operating system is a container image. Source: bootc.dev, `bootc(8)`, and its status schema.

Reads what bootc has told from 1.0 on (crates/lib/src/spec.rs), of both of its backends, ostree and composefs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.releases.release import Release, is_release
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.errors import MachineError
from fleet.machines.families import rpm_ostree
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import image_reference, shell
from fleet.machines.families.shared.soft_reboot import FULL_REBOOT
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host
from fleet.machines.progress import ReportPercent

OS = "bootc"
BOOTED = "bootc-booted"
"""The fact that the probe adds: bootc says that it has booted the machine."""
STATUS = ("bootc", "status", "--format", "json", "--format-version", "1")
UNLOCK = ("bootc", "upgrade", "--from-downloaded")
"""Makes what was staged with --download-only boot next, without a look at the registry."""

UNTOLD = Release("unknown: bootc tells neither an image, an ostree commit, nor composefs")

API_VERSIONS = ("org.containers.bootc/v1", "org.containers.bootc/v1alpha1")
KINDS = ("BootcHost",)
BOOT_ORDERS = ("default", "rollback")
STORES = (None, "ostreeContainer")
TYPES = (None, "bootcHost")
BOOT_TYPES = ("Bls", "Uki")


class BootcImageReference(Struct, frozen=True):
    image: str
    transport: str = "registry"
    signature: Any = None
    """None, `insecure`, `containerPolicy`, or a table with `ostreeRemote`."""


class BootcImage(Struct, frozen=True, rename="camel"):
    image: BootcImageReference
    image_digest: str
    version: str | None = None


class OstreeCommit(Struct, frozen=True):
    checksum: str


class Composefs(Struct, frozen=True, rename="camel"):
    verity: str
    boot_type: str
    bootloader: str = ""

    @property
    def tells_queue(self) -> bool:
        """With UKIs under systemd-boot bootc told the contrary of what is queued until August 2026 (bootc#2405)."""
        return self.boot_type != "Uki" or self.bootloader.lower() != "systemd"


class BootcDeployment(Struct, frozen=True, rename="camel"):
    """A deployment. `image` is null for one that came by ostree, and for one that rpm-ostree has changed."""

    image: BootcImage | None = None
    ostree: OstreeCommit | None = None
    composefs: Composefs | None = None
    pinned: bool = False
    incompatible: bool = False
    download_only: bool = False
    """A staged deployment is on the disk, and a reboot does not boot it but drops it."""
    store: str | None = None

    @property
    def signature(self) -> Any:
        """The signature policy of its image; `insecure` is what bootc leaves out."""
        return (self.image.image.signature if self.image is not None else None) or "insecure"

    @property
    def release(self) -> Release:
        """Tells an image by its manifest's digest, and by the one that its reference is pinned by.

        On the composefs backend bootc told the image's id in place of the manifest's digest until July 2026 (bootc#2277).
        """
        if self.image is not None:
            version, digest = self.image.version or self.image.image_digest, self.image.image_digest
            pin = image_reference.parse_name(self.image.image.image).digest
            return Release(version, digest, reference_digest=pin if pin != digest else "")
        if self.ostree is not None:
            return Release(self.ostree.checksum[:12], f"sha256:{self.ostree.checksum}")
        if self.composefs is not None:
            return Release(f"composefs {self.composefs.verity[:12]}")
        return UNTOLD


class BootcDeployments(Struct, frozen=True, rename="camel"):
    staged: BootcDeployment | None = None
    booted: BootcDeployment | None = None
    rollback: BootcDeployment | None = None
    rollback_queued: bool = False
    type: str | None = None

    def entries(self) -> dict[str, BootcDeployment]:
        named = {"staged": self.staged, "booted": self.booted, "rollback": self.rollback}
        return {name: entry for name, entry in named.items() if entry is not None}


class Spec(Struct, frozen=True, rename="camel"):
    boot_order: str = "default"


class Head(Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str


class BootcStatus(Struct, frozen=True):
    status: BootcDeployments
    spec: Spec = Spec()

    @property
    def queued(self) -> bool:
        """The rollback deployment stands before the booted one in the boot loader."""
        slots = self.status
        composefs = slots.booted.composefs if slots.booted is not None else None
        told = composefs is None or composefs.tells_queue
        return (
            told
            and slots.rollback is not None
            and (slots.rollback_queued or self.spec.boot_order == "rollback")
        )

    @property
    def next(self) -> BootcDeployment | None:
        """What boots next, if that is another one than the booted: what is staged goes before all, once finalized."""
        slots = self.status
        if slots.staged is not None and not slots.staged.download_only:
            return slots.staged
        return slots.rollback if self.queued else None


def parse(text: str) -> BootcStatus:
    """Raises MachineError with the text where it is no status of a BootcHost, and with each state it does not know."""
    try:
        head = decode(text, Head)
        refuse_unknown({"apiVersion": (head.api_version, API_VERSIONS), "kind": (head.kind, KINDS)})
        status = decode(text, BootcStatus)
    except UnreadableError as error:
        raise MachineError(f"bootc status is not understood ({error}): {text[:300]!r}") from error
    states: dict[str, tuple[str | None, Sequence[str | None]]] = {
        "spec.bootOrder": (status.spec.boot_order, BOOT_ORDERS),
        "status.type": (status.status.type, TYPES),
    }
    for name, entry in status.status.entries().items():
        states[f"status.{name}.store"] = (entry.store, STORES)
        if entry.composefs is not None:
            states[f"status.{name}.composefs.bootType"] = (entry.composefs.boot_type, BOOT_TYPES)
    refuse_unknown(states)
    return status


def refuse_unknown(states: dict[str, tuple[str | None, Sequence[str | None]]]) -> None:
    """Raises MachineError with all of these states (found, known ones) that are none of the known ones."""
    odd = [
        f"{name} is {found!r} (known: {', '.join(each for each in known if each)})"
        for name, (found, known) in states.items()
        if found not in known
    ]
    if odd:
        raise MachineError(f"bootc status tells what this version of fleet does not know: {'; '.join(odd)}")


def booted(status: BootcStatus) -> BootcDeployment:
    """Raises MachineError on a machine that bootc has not booted, or where it does not tell what it has booted."""
    entry = status.status.booted
    if entry is None:
        raise MachineError("bootc status has no booted deployment: this machine was not booted by bootc")
    if entry.release == UNTOLD:
        raise MachineError(f"what bootc has booted is {UNTOLD.version}")
    return entry


def is_bootc(status: BootcStatus) -> bool:
    """It has booted an image of bootc's own, one that rpm-ostree has not changed."""
    entry = status.status.booted
    return entry is not None and (entry.image is not None or entry.composefs is not None)


def stage_command(status: BootcStatus, release: Release) -> tuple[str, ...]:
    """What makes the release boot next. Raises MachineError as `switch` does.

    What is on the disk already is only unlocked, where it came under the same signature policy as what is booted.
    """
    now, staged = booted(status), status.status.staged
    downloaded = staged is not None and staged.download_only and is_release(staged.release, release)
    if staged is not None and downloaded and staged.signature == now.signature:
        return UNLOCK
    return switch(now, release)


def switch(entry: BootcDeployment, release: Release) -> tuple[str, ...]:
    """What stages the release: the booted image's repository, by digest, under the booted image's signature policy.

    Raises MachineError where the repository, the digest, or a way to keep the policy is missing.
    """
    if entry.image is None and entry.incompatible:
        raise MachineError(
            "the booted image has local changes by rpm-ostree, which bootc does not keep: "
            "take them back (rpm-ostree reset), or have fleet use rpm-ostree here (FLEET_OS=rpm-ostree)"
        )
    if entry.image is None:
        raise MachineError("the booted deployment came by ostree: bootc switch it to an image once, by hand")
    if not release.pin:
        raise MachineError(f"{release.version} has no digest in its stream, and bootc needs one")
    reference = entry.image.image
    if reference.transport != "registry":
        raise MachineError(
            f"the booted image came by {reference.transport} ({reference.image}), and fleet stages only from "
            "registries: bootc switch it to an image of a registry once, by hand"
        )
    image = image_reference.parse_name(reference.image).pinned(release.pin)
    return ("bootc", "switch", *policy(reference), image)


def policy(reference: BootcImageReference) -> tuple[str, ...]:
    """The options of `bootc switch` that keep the signature policy; without them it drops it (bootc#815)."""
    match reference.signature:
        case None | "insecure":
            return ()
        case "containerPolicy":
            return ("--enforce-container-sigpolicy",)
        case {"ostreeRemote": str(remote)}:
            raise MachineError(
                f"the booted image's signatures are checked by the ostree remote {remote!r}, which bootc switch "
                "cannot keep: rely on containers-policy.json(5) instead, and switch once by hand: "
                f"bootc switch --enforce-container-sigpolicy {reference.image}"
            )
    raise MachineError(
        f"the booted image has the signature policy {reference.signature!r}, which this version of fleet does not know: "
        "it knows insecure, containerPolicy and ostreeRemote"
    )


class Bootc:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def observe(self) -> Observation:
        status = await self._status()
        back = status.status.rollback
        return Observation(
            OS,
            booted(status).release,
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            status.next.release if status.next else None,
            back.release if back and back.release != UNTOLD else None,
            await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """What was staged with --download-only is made to boot next, where it is the release."""
        argv = stage_command(await self._status(), release)
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress)
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host, FULL_REBOOT)

    async def roll_back(self) -> None:
        """`bootc rollback` is a switch to and fro, and drops what is staged: it is pressed as often as is needed."""
        status = await self._status()
        slots = status.status
        if slots.rollback is None:
            raise MachineError("bootc has no rollback deployment")
        if (composefs := booted(status).composefs) is not None and not composefs.tells_queue:
            raise MachineError(
                "with UKIs under systemd-boot bootc told the contrary of what is queued until August 2026 (bootc#2405), and "
                "its rollback goes to and fro: stage the earlier release, or roll back by hand after a look at bootctl list"
            )
        if status.next is slots.rollback:
            return
        # Where both are there, the first takes the queue back and drops what is staged.
        for _ in range(2 if status.queued else 1):
            await shell.output(self._host, "bootc", "rollback")

    async def mark_good(self) -> None:
        """Nothing: bootc does not count boots."""

    async def _status(self) -> BootcStatus:
        return parse(await shell.output(self._host, *STATUS))


def recognizes(signs: Signs) -> bool:
    """Raises MachineError where OSTree was booted and bootc does not say by whom: no other family is guessed then."""
    if rpm_ostree.is_coreos(signs):
        return False
    if BOOTED in signs.facts:
        return True
    if OS in signs.probe_errors and "ostree-booted" in signs.facts:
        raise MachineError(
            f"bootc does not tell whether it has booted this machine: {signs.probe_errors[OS]}. "
            "Mend it, or have an agent that is told the family (FLEET_OS, or its --os)"
        )
    return False


async def probe(host: Host, signs: Signs) -> Signs:
    """Asks bootc whether it has booted the machine: only bootc can tell. On Fedora CoreOS its answer changes nothing."""
    if "bootc" not in signs.programs or rpm_ostree.is_coreos(signs):
        return signs
    ran = await host.run(STATUS)
    try:
        if not ran.succeeded:
            raise MachineError(ran.message)
        found = is_bootc(parse(ran.stdout))
    except MachineError as error:
        return replace(signs, probe_errors={**signs.probe_errors, OS: error.message})
    return replace(signs, facts=signs.facts | {BOOTED}) if found else signs


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: Bootc(host),
    recognizes=recognizes,
    programs=("bootc",),
    probe=probe,
)
