"""Parses `bootc status`. Source: bootc's status schema, crates/lib/src/spec.rs, from 1.0 on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from fleet.core.releases.release import Release
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.errors import MachineError
from fleet.machines.families.shared import image_reference

UNTOLD = Release("unknown: bootc reports neither an image, an ostree commit, nor composefs")

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
    """The signature policy: None, `insecure`, `containerPolicy`, or a table with `ostreeRemote`."""


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
        """Returns whether the reported queue can be trusted: with UKIs under systemd-boot bootc reported the opposite
        of what was queued until August 2026 (bootc#2405)."""
        return self.boot_type != "Uki" or self.bootloader.lower() != "systemd"


class BootcDeployment(Struct, frozen=True, rename="camel"):
    """A deployment. `image` is null for a deployment from ostree, and for one that rpm-ostree has changed."""

    image: BootcImage | None = None
    ostree: OstreeCommit | None = None
    composefs: Composefs | None = None
    pinned: bool = False
    incompatible: bool = False
    download_only: bool = False
    """True if the staged deployment is only on the disk: a reboot does not boot it but drops it."""
    store: str | None = None

    @property
    def signature(self) -> Any:
        """Returns the signature policy of the image; bootc leaves out `insecure`."""
        return (self.image.image.signature if self.image is not None else None) or "insecure"

    @property
    def release(self) -> Release:
        """Returns the release of the deployment: an image by its manifest's digest, and by the digest that its
        reference is pinned to.

        On the composefs backend bootc reported the image's id in place of the manifest's digest until July 2026
        (bootc#2277).
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
        """Returns whether the rollback deployment precedes the booted one in the boot loader."""
        slots = self.status
        composefs = slots.booted.composefs if slots.booted is not None else None
        known = composefs is None or composefs.tells_queue
        return (
            known
            and slots.rollback is not None
            and (slots.rollback_queued or self.spec.boot_order == "rollback")
        )

    @property
    def next(self) -> BootcDeployment | None:
        """Returns the deployment that boots next, if it is not the booted one: a staged one takes precedence, once
        finalized."""
        slots = self.status
        if slots.staged is not None and not slots.staged.download_only:
            return slots.staged
        return slots.rollback if self.queued else None


def parse(text: str) -> BootcStatus:
    """Parses `bootc status`. Raises MachineError with the text where it is no status of a BootcHost, and with each
    unknown state."""
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
    """Raises MachineError with all of these states (found, known ones) that are unknown."""
    odd = [
        f"{name} is {found!r} (known: {', '.join(choice for choice in known if choice)})"
        for name, (found, known) in states.items()
        if found not in known
    ]
    if odd:
        raise MachineError(
            f"bootc status has values that this version of fleet does not know: {'; '.join(odd)}"
        )


def booted(status: BootcStatus) -> BootcDeployment:
    """Returns the booted deployment. Raises MachineError on a machine that bootc has not booted, or where bootc does
    not report what it has booted."""
    entry = status.status.booted
    if entry is None:
        raise MachineError("bootc status has no booted deployment: this machine was not booted by bootc")
    if entry.release == UNTOLD:
        raise MachineError(f"the release that bootc has booted is {UNTOLD.version}")
    return entry


def is_bootc(status: BootcStatus) -> bool:
    """Returns whether the machine has booted an image of bootc's own, one that rpm-ostree has not changed."""
    entry = status.status.booted
    return entry is not None and (entry.image is not None or entry.composefs is not None)
