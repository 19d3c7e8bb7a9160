"""bootc: hosts whose operating system is a container image. Source: bootc.dev, `bootc(8)`, and its status schema.

Reads the status of bootc from 1.0 on (crates/lib/src/spec.rs), with both of its backends, ostree and composefs.
"""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.releases.release import Release, is_release
from fleet.machines.errors import MachineError
from fleet.machines.families import rpm_ostree
from fleet.machines.families.bootc_status import (
    UNTOLD,
    BootcDeployment,
    BootcImageReference,
    BootcStatus,
    booted,
    is_bootc,
    parse,
)
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import image_reference, shell
from fleet.machines.families.shared.ostree_etc import EtcReader
from fleet.machines.families.shared.soft_reboot import FULL_REBOOT
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host
from fleet.machines.progress import ReportPercent

OS = "bootc"
BOOTED = "bootc-booted"
"""The fact that the probe adds: bootc reports that it has booted the machine."""
STATUS = ("bootc", "status", "--format", "json", "--format-version", "1")
UNLOCK = ("bootc", "upgrade", "--from-downloaded")
"""Makes the deployment that was staged with --download-only boot next, without contacting the registry."""


def stage_command(status: BootcStatus, release: Release) -> tuple[str, ...]:
    """Returns the command that has the release boot next. Raises MachineError as `switch` does.

    A deployment that is on the disk already is only unlocked, if it came under the signature policy of the booted one.
    """
    now, staged = booted(status), status.status.staged
    downloaded = staged is not None and staged.download_only and is_release(staged.release, release)
    if staged is not None and downloaded and staged.signature == now.signature:
        return UNLOCK
    return switch(now, release)


def switch(entry: BootcDeployment, release: Release) -> tuple[str, ...]:
    """Returns the command that stages the release: from the booted image's repository, by digest, under its signature
    policy.

    Raises MachineError where the repository or the digest is unknown, or the policy cannot be kept.
    """
    if entry.image is None and entry.incompatible:
        raise MachineError(
            "the booted image has local changes by rpm-ostree, which bootc does not keep: "
            "undo them (rpm-ostree reset), or have fleet use rpm-ostree here (FLEET_OS=rpm-ostree)"
        )
    if entry.image is None:
        raise MachineError(
            "the booted deployment came by ostree: switch it to an image once by hand (bootc switch)"
        )
    if not release.pin:
        raise MachineError(f"{release.version} has no digest in its stream, and bootc needs one")
    reference = entry.image.image
    if reference.transport != "registry":
        raise MachineError(
            f"the booted image came by {reference.transport} ({reference.image}), and fleet stages only from "
            "registries: switch it to an image of a registry once by hand (bootc switch)"
        )
    image = image_reference.parse_name(reference.image).pinned(release.pin)
    return ("bootc", "switch", *policy(reference), image)


def policy(reference: BootcImageReference) -> tuple[str, ...]:
    """Returns the options of `bootc switch` that keep the signature policy; without them bootc drops the policy
    (bootc#815)."""
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
        self._etc = EtcReader(host)

    async def observe(self) -> Observation:
        """Observes the machine, as `Family.observe` does."""
        status = await self._status()
        back = status.status.rollback
        boot_id = await shell.boot_id(self._host)
        return Observation(
            OS,
            booted(status).release,
            boot_id,
            await shell.kernel(self._host),
            status.next.release if status.next else None,
            back.release if back and back.release != UNTOLD else None,
            await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
            etc=await self._etc.changes(boot_id),
            live_patches=await shell.live_patches(self._host),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release. A deployment that was staged with --download-only is unlocked, if it is the release."""
        argv = stage_command(await self._status(), release)
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress)
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host, FULL_REBOOT)

    async def roll_back(self) -> None:
        """Queues the rollback deployment. `bootc rollback` toggles the queue and drops a staged deployment, so it runs
        as often as is needed."""
        status = await self._status()
        slots = status.status
        if slots.rollback is None:
            raise MachineError("bootc has no rollback deployment")
        if (composefs := booted(status).composefs) is not None and not composefs.tells_queue:
            raise MachineError(
                "with UKIs under systemd-boot bootc reported the opposite of what is queued until August 2026 (bootc#2405), "
                "and its rollback toggles: stage the earlier release, or roll back by hand after checking bootctl list"
            )
        if status.next is slots.rollback:
            return
        # Where a queue and a staged deployment exist, the first call clears the queue and drops the staged deployment.
        for _ in range(2 if status.queued else 1):
            await shell.output(self._host, "bootc", "rollback")

    async def mark_good(self) -> None:
        """Does nothing: bootc does not count boots."""

    async def _status(self) -> BootcStatus:
        return parse(await shell.output(self._host, *STATUS))


def recognizes(signs: Signs) -> bool:
    """Returns whether bootc has booted the machine. Raises MachineError where OSTree was booted and bootc does not
    answer whether it was by bootc: no other family is guessed then."""
    if rpm_ostree.is_coreos(signs):
        return False
    if BOOTED in signs.facts:
        return True
    if OS in signs.probe_errors and "ostree-booted" in signs.facts:
        raise MachineError(
            f"bootc does not report whether it has booted this machine: {signs.probe_errors[OS]}. "
            "Repair it, or set the family of the agent (FLEET_OS, or its --os)"
        )
    return False


async def probe(host: Host, signs: Signs) -> Signs:
    """Asks bootc whether it has booted the machine: only bootc knows. On Fedora CoreOS the answer changes nothing."""
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
