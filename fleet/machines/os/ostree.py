"""Plain OSTree, without rpm-ostree or bootc: Torizon, Endless, hand-made trees. Source: `ostree-admin(1)`, its code."""

from __future__ import annotations

import re

from msgspec import Struct

from fleet.core.release import Release
from fleet.machines.host import Host
from fleet.machines.os import shell
from fleet.machines.os.family import MachineError, Observation, Progress

OS = "ostree"
_HEAD = re.compile(
    r"^(?P<mark>[* ]) {1,2}(?P<os>\S+) (?P<sum>[0-9a-f]{64})\.(?P<serial>\d+)(?: \((?P<note>[^)]+)\))?$"
)
_FIELD = re.compile(r"^    (?P<key>[A-Za-z ]+): (?P<value>.*)$")
_NOTES = frozenset({None, "staged", "pending", "rollback", "finalization locked", "soft-reboot"})
_PERCENT = re.compile(r"(\d{1,3})% ")


class Deployment(Struct, frozen=True):
    """In the order in which the boot loader lists them."""

    os: str
    checksum: str
    serial: int
    booted: bool = False
    note: str = ""
    version: str = ""
    refspec: str = ""

    @property
    def release(self) -> Release:
        return Release(self.version or self.checksum[:12], f"sha256:{self.checksum}")

    @property
    def origin_file(self) -> str:
        return f"/sysroot/ostree/deploy/{self.os}/deploy/{self.checksum}.{self.serial}.origin"


class Status(Struct, frozen=True):
    deployments: tuple[Deployment, ...]

    @property
    def place(self) -> int:
        return next(index for index, each in enumerate(self.deployments) if each.booted)

    @property
    def booted(self) -> Deployment:
        return self.deployments[self.place]

    @property
    def staged(self) -> Deployment | None:
        """What stands before the booted one boots next. After a boot loader fell back, the one that failed does."""
        return self.deployments[0] if self.place else None

    @property
    def rollback(self) -> Deployment | None:
        behind = self.deployments[self.place + 1 :]
        return next((each for each in behind if each.os == self.booted.os), None)


def parse_deployments(text: str) -> tuple[Deployment, ...]:
    """Of `ostree admin status`. Raises MachineError with the line that it does not understand."""
    found: list[dict[str, object]] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        head = _HEAD.match(line)
        if head is not None and head["note"] in _NOTES:
            found.append(
                {
                    "os": head["os"],
                    "checksum": head["sum"],
                    "serial": int(head["serial"]),
                    "booted": head["mark"] == "*",
                    "note": head["note"] or "",
                }
            )
            continue
        field = _FIELD.match(line)
        if field is None and found and re.match(r"^ {4,}\S", line):
            continue  # A signature, or `origin: none`: of no use here.
        if field is None or not found:
            raise MachineError(f"ostree admin status has a line that is not understood: {line!r}")
        if field["key"] == "Version":
            found[-1]["version"] = field["value"]
        elif field["key"] == "origin refspec":
            found[-1]["refspec"] = field["value"]
    return tuple(Deployment(**fields) for fields in found)  # type: ignore[arg-type]


def parse(text: str) -> Status:
    """As `parse_deployments`, of a machine that booted one of them."""
    deployments = parse_deployments(text)
    if sum(each.booted for each in deployments) != 1:
        raise MachineError(f"ostree admin status has not one booted deployment: {text[:300]!r}")
    return Status(deployments)


def percent(text: str) -> int | None:
    """`Receiving objects; 45% (...)`; the last one that it printed."""
    found = _PERCENT.findall(text)
    return int(found[-1]) if found else None


class Ostree:
    def __init__(self, host: Host) -> None:
        self._host = host

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
            units=await shell.units(self._host),
        )

    async def stage(self, release: Release, progress: Progress, token: str = "") -> None:
        """By commit, and with the origin's refspec kept, so that a later upgrade still follows its branch."""
        if not release.digest:
            raise MachineError(
                f"{release.version} has no digest in its stream: ostree needs the commit there"
            )
        commit = release.digest.removeprefix("sha256:")
        argv = ("ostree", "admin", "upgrade", f"--override-commit={commit}", "--allow-downgrade")
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress, percent)
        progress(100)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        """Deploys what stands behind the booted one anew, from the disk, with its own origin."""
        status = await self._status()
        back = status.rollback
        if back is None:
            if status.staged is None:
                raise MachineError("there is no deployment behind the booted one to roll back to")
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
        """Nothing: plain OSTree does not count boots; what counts them for it is the machine's own."""

    async def _status(self) -> Status:
        return parse(await shell.output(self._host, "ostree", "admin", "status"))
