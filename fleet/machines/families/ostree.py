"""Plain OSTree, without rpm-ostree or bootc: Torizon, Endless, custom trees. Source: `ostree-admin(1)`, its code.

`ostree admin status` prints JSON from 2025.3 on, which is used where it is available; earlier versions print text
(src/ostree/ot-admin-builtin-status.c).
"""

from __future__ import annotations

import re

from msgspec import Struct

from fleet.core.releases.release import Release, is_release
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import shell
from fleet.machines.families.shared.ostree_etc import EtcReader
from fleet.machines.families.shared.soft_reboot import FULL_REBOOT
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host
from fleet.machines.progress import ReportPercent

OS = "ostree"
STATUS = ("ostree", "admin", "status")
UNLOCK = ("ostree", "admin", "lock-finalization", "--unlock")
LOCKED = "finalization locked"
NOTES = frozenset({"staged", "pending", "rollback", LOCKED, "soft-reboot"})
_HEAD = re.compile(
    r"(?P<mark>[* ]) {1,2}(?P<os>\S+) (?P<sum>[0-9a-f]{64})\.(?P<serial>\d{1,9})(?P<notes>(?: \([^)]+\))*)\s*"
)
_DEPLOYMENT = re.compile(r"^\S?.*\b[0-9a-f]{64}\.\d+")
_FIELD = re.compile(r" {4}(?P<key>Version|origin refspec): (?P<value>.*)")
_PERCENT = re.compile(r"(\d{1,3})% ")


class OstreeDeployment(Struct, frozen=True, rename={"os": "stateroot", "locked": "finalization-locked"}):
    """A deployment, in the order of the boot loader's list; a staged one comes first."""

    os: str
    checksum: str
    serial: int
    booted: bool = False
    locked: bool = False
    """True if a staged deployment is only on the disk: a reboot does not boot it but drops it."""
    version: str = ""
    refspec: str = ""
    """The branch that the deployment follows; empty where the status does not show it, as in JSON."""

    @property
    def release(self) -> Release:
        return Release(self.version or self.checksum[:12], f"sha256:{self.checksum}")

    @property
    def origin_file(self) -> str:
        return f"/sysroot/ostree/deploy/{self.os}/deploy/{self.checksum}.{self.serial}.origin"


class OstreeStatus(Struct, frozen=True):
    deployments: tuple[OstreeDeployment, ...]

    @property
    def place(self) -> int:
        return next(index for index, deployment in enumerate(self.deployments) if deployment.booted)

    @property
    def booted(self) -> OstreeDeployment:
        return self.deployments[self.place]

    @property
    def locked(self) -> OstreeDeployment | None:
        """Returns the staged deployment that must be unlocked before it boots."""
        return next((deployment for deployment in self.deployments[: self.place] if deployment.locked), None)

    @property
    def staged(self) -> OstreeDeployment | None:
        """Returns the deployment before the booted one, which boots next. After the boot loader fell back, that is the
        deployment that failed."""
        return next(
            (deployment for deployment in self.deployments[: self.place] if not deployment.locked), None
        )

    @property
    def rollback(self) -> OstreeDeployment | None:
        behind = self.deployments[self.place + 1 :]
        return next((deployment for deployment in behind if deployment.os == self.booted.os), None)


def parse_deployments(text: str) -> tuple[OstreeDeployment, ...]:
    """Parses `ostree admin status`, with or without `--json`.

    Raises MachineError with the line where a deployment or its annotation cannot be parsed. Other lines, such as those
    of signatures, are not needed here.
    """
    if text.lstrip().startswith("{"):
        try:
            return decode(text, OstreeStatus).deployments
        except UnreadableError as error:
            raise MachineError(f"ostree admin status is not understood ({error}): {text[:300]!r}") from error
    found: list[dict[str, str | int | bool]] = []
    for line in text.splitlines():
        if _DEPLOYMENT.match(line) and not line.startswith("    "):
            found.append(_head(line))
        elif (field := _FIELD.fullmatch(line)) is not None and found:
            found[-1]["version" if field["key"] == "Version" else "refspec"] = field["value"]
    return tuple(OstreeDeployment(**fields) for fields in found)  # type: ignore[arg-type]


def _head(line: str) -> dict[str, str | int | bool]:
    head = _HEAD.fullmatch(line)
    notes = set(re.findall(r"\(([^)]+)\)", head["notes"])) if head is not None else set()
    if head is None or notes - NOTES:
        raise MachineError(f"ostree admin status has a line that is not understood: {line[:300]!r}")
    return {
        "os": head["os"],
        "checksum": head["sum"],
        "serial": int(head["serial"]),
        "booted": head["mark"] == "*",
        "locked": LOCKED in notes,
    }


def parse(text: str) -> OstreeStatus:
    """Parses `ostree admin status`. Raises MachineError as `parse_deployments` does, and where not exactly one
    deployment is booted."""
    deployments = parse_deployments(text)
    if sum(deployment.booted for deployment in deployments) != 1:
        raise MachineError(f"ostree admin status has no single booted deployment: {text[:300]!r}")
    return OstreeStatus(deployments)


def percent(text: str) -> int | None:
    """Returns the last percentage of lines such as `Receiving objects; 45% (...)`; None where there is none."""
    found = _PERCENT.findall(text)
    return int(found[-1]) if found else None


async def look(host: Host) -> OstreeStatus:
    """Reads the status of the machine. Versions of ostree without --json reject the option, and are asked for the
    text."""
    ran = await host.run((*STATUS, "--json"))
    return parse(ran.stdout if ran.succeeded else await shell.output(host, *STATUS))


class Ostree:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._etc = EtcReader(host)

    async def observe(self) -> Observation:
        """Observes the machine, as `Family.observe` does."""
        status = await look(self._host)
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
            units=await shell.units(self._host),
            etc=await self._etc.changes(boot_id),
            live_patches=await shell.live_patches(self._host),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release by its commit. The origin's refspec is kept, so that a later upgrade still follows its
        branch.

        A deployment that was staged with its finalization locked is unlocked, if it is the release.
        """
        if not release.digest:
            raise MachineError(
                f"{release.version} has no digest in its stream: ostree needs the commit there"
            )
        commit = release.digest.removeprefix("sha256:")
        argv: tuple[str, ...] = (
            "ostree",
            "admin",
            "upgrade",
            f"--override-commit={commit}",
            "--allow-downgrade",
        )
        locked = (await look(self._host)).locked
        if locked is not None and is_release(locked.release, release):
            argv = UNLOCK
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress, percent)
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host, FULL_REBOOT)

    async def roll_back(self) -> None:
        """Deploys the deployment behind the booted one again, from the disk, with its own origin."""
        status = await look(self._host)
        back = status.rollback
        if back is None:
            if status.staged is None:
                raise MachineError("there is no deployment after the booted one to roll back to")
            return
        await shell.output(
            self._host,
            *(
                "ostree",
                "admin",
                "deploy",
                f"--os={back.os}",
                "--retain",
                f"--origin-file={back.origin_file}",
            ),
            back.checksum,
        )

    async def mark_good(self) -> None:
        """Does nothing: plain OSTree does not count boots; a program that counts them is the machine's own."""


def recognizes(signs: Signs) -> bool:
    """Returns whether the machine has booted OSTree: /run/ostree-booted exists then. Having the program is not
    enough."""
    return "ostree-booted" in signs.facts and "ostree" in signs.programs


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: Ostree(host),
    recognizes=recognizes,
    programs=("ostree",),
    files={"ostree-booted": ("/run/ostree-booted",)},
)
