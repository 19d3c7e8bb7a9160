"""Flatcar: update_engine writes the other /usr partition. Source: flatcar.org/docs; github.com/flatcar/init,
bin/flatcar-update; github.com/flatcar/update_engine, src/update_engine/update_attempter.cc.

`flatcar-update` fetches one version and runs until it is written. update_engine often reports 0.0.0 as the version of
the waiting update, so fleet keeps the requested version in a note in /run, which is lost with a boot as the waiting
update is.

Many users mask update-engine so that it does not upgrade by itself. Then its status cannot be read, and its own marker
shows whether an update waits. flatcar-update unmasks update-engine, which must then stay unmasked until it has marked
the next boot as good, or the boot after that one falls back: so such a machine gets SERVER=disabled, which Flatcar's
documentation recommends instead of masking.
"""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from fleet.core.releases.release import Release, is_release
from fleet.machines.competing_updaters import refuse_competing_updaters
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import os_release, shell
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host, checked, read
from fleet.machines.progress import ReportPercent

OS = "flatcar"
NOTE = "/run/fleet-staged-version"
STATUS = ("update_engine_client", "-status")
SERVICE = "update-engine.service"
COMPLETED = "/run/update_engine_autoupdate_completed"
"""update_engine's marker of an update that waits for the reboot (kUpdateCompletedMarker), which update_engine reads
when it starts."""
SETTINGS = "/etc/flatcar/update.conf"
UNTOLD = re.compile(r"[0.]*")
OTHER = """
booted=$(rootdev -s /usr) && found=$(cgpt find -t flatcar-usr) || exit 3
other=$(printf '%s\\n' "$found" | grep -vxF "$booted")
test "$(printf '%s\\n' "$other" | wc -l)" -eq 1 && test -n "$other" || exit 3
cgpt show "$other" | grep -q 'successful=1' || exit 3
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
btrfs restore --path-regex '^/(|share(|/(flatcar|coreos)(|/release)))$' "$other" "$folder" >/dev/null 2>&1
for name in flatcar coreos; do
  cat "$folder/share/$name/release" 2>/dev/null || debugfs -R "cat /share/$name/release" "$other" 2>/dev/null
done
"""
"""A script that prints the os-release of the other /usr partition, if that one has once been booted successfully. The
partition is read without mounting, since two btrfs of one image are one file system to the kernel; older releases have
ext4 there. cgpt and rootdev are documented for a manual rollback:
flatcar.org/docs/latest/setup/debug/manual-rollbacks."""
_VERSION = re.compile(r"^FLATCAR_RELEASE_VERSION=[\"']?([^\"'\s]+)", re.MULTILINE)
_PROGRESS = re.compile(r"^PROGRESS=([01]\.?[0-9]{0,9})\s*$", re.MULTILINE)
_SERVER = re.compile(r"^SERVER=[\"']?([^\"'\s]+)", re.MULTILINE)


class Operation(StrEnum):
    IDLE = "UPDATE_STATUS_IDLE"
    CHECKING = "UPDATE_STATUS_CHECKING_FOR_UPDATE"
    AVAILABLE = "UPDATE_STATUS_UPDATE_AVAILABLE"
    DOWNLOADING = "UPDATE_STATUS_DOWNLOADING"
    VERIFYING = "UPDATE_STATUS_VERIFYING"
    FINALIZING = "UPDATE_STATUS_FINALIZING"
    NEED_REBOOT = "UPDATE_STATUS_UPDATED_NEED_REBOOT"
    REPORTING_ERROR = "UPDATE_STATUS_REPORTING_ERROR_EVENT"


class UpdateEngineStatus(Struct, frozen=True):
    operation: Operation
    new_version: str
    """The new version; empty where update_engine does not report it."""


def parse(text: str) -> UpdateEngineStatus:
    """Returns the last status in the output of update_engine_client. Raises MachineError with the text."""
    fields = dict(
        line.strip().split("=", 1) for line in text.splitlines() if "=" in line and line[:1].isupper()
    )
    try:
        operation = Operation(fields["CURRENT_OP"])
    except (KeyError, ValueError) as error:
        raise MachineError(f"update_engine's status is not understood ({error}): {text[:300]!r}") from error
    version = fields.get("NEW_VERSION", "")
    return UpdateEngineStatus(operation, "" if UNTOLD.fullmatch(version) else version)


class Flatcar:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def observe(self) -> Observation:
        """Observes the machine, as `Family.observe` does."""
        fields = os_release.parse(await read(self._host, "/etc/os-release") or "")
        try:
            staged, idle = await self._waiting()
        except MachineError:
            # The booted release is known all the same; a reboot into an unknown release is refused with this text.
            staged, idle = Release("unknown: update-engine does not report what is staged"), False
        return Observation(
            OS,
            Release(os_release.version(fields)),
            await shell.boot_id(self._host),
            await shell.kernel(self._host),
            staged,
            await self._rollback() if idle else None,
            kernel_arguments=await shell.kernel_arguments(self._host),
            units=await shell.units(self._host),
            live_patches=await shell.live_patches(self._host),
        )

    async def _rollback(self) -> Release | None:
        """Returns the release of the other partition, while no update writes it. None where it shows no release, or
        has not booted successfully."""
        ran = await self._host.run(("sh", "-c", OTHER))
        found = _VERSION.search(ran.stdout)
        return Release(found[1]) if found else None

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release, as `Family.stage` does."""
        staged, _ = await self._waiting()
        if is_release(staged, release):
            return
        options = await self._options()
        if staged is not None:
            await refuse_competing_updaters(self._host)
            wake = f"systemctl unmask {SERVICE} && systemctl start {SERVICE} && "
            await checked(self._host, ("sh", "-c", f"{wake}update_engine_client -reset_status"))
        script = (
            f'version=$1; shift; flatcar-update --to-version "$version" "$@" && printf %s "$version" >{NOTE}'
        )
        argv = ("sh", "-c", script, "sh", release.version, *options)
        await shell.long(self._host, token or f"stage/{release.version}", argv, progress, percent)
        progress(100)

    async def _options(self) -> tuple[str, ...]:
        """Returns the options of flatcar-update with which a machine whose update-engine is masked still does not
        upgrade by itself afterwards. Raises MachineError where no option does, because SERVER is set."""
        ran = await self._host.run(("systemctl", "is-enabled", SERVICE))
        if not ran.stdout.strip().startswith("masked"):
            return ()
        servers = _SERVER.findall(await read(self._host, SETTINGS) or "")
        if servers and servers[-1] != "disabled":
            raise MachineError(
                f"{SERVICE} is masked, and flatcar-update unmasks it: it would then upgrade by itself from SERVER="
                f"{servers[-1]} of {SETTINGS}. First write SERVER=disabled there, or remove SERVER"
            )
        return ("--disable-afterwards",)

    async def reboot(self) -> None:
        await shell.reboot(self._host)

    async def roll_back(self) -> None:
        """Makes the other partition boot next, as flatcar.org/docs describes for a manual rollback."""
        script = 'cgpt prioritize "$(cgpt find -t flatcar-usr | grep --invert-match "$(rootdev -s /usr)")"'
        await checked(self._host, ("sh", "-c", script))

    async def mark_good(self) -> None:
        """Does nothing: update_engine marks the booted partition as good by itself, some minutes after the boot.
        Staging has ensured that update_engine runs."""

    async def _waiting(self) -> tuple[Release | None, bool]:
        """Returns the release that waits for the reboot, and whether update_engine leaves the other partition as it
        was booted last.

        Raises MachineError where update_engine runs and reports no status. A stopped or masked update_engine is not
        asked: its client would try to reach it for half a minute.
        """
        active = await self._host.run(("systemctl", "is-active", SERVICE))
        version = ""
        if active.stdout.strip() == "active":
            status = parse(await checked(self._host, STATUS))
            if status.operation is not Operation.NEED_REBOOT:
                return None, status.operation is Operation.IDLE
            version = status.new_version
        elif await read(self._host, COMPLETED) is None:
            return None, True
        note = (await read(self._host, NOTE) or "").strip()
        return Release(version or note or "unknown: not staged by fleet"), False


def percent(text: str) -> int | None:
    """Returns the last percentage of update_engine_client, whose output flatcar-update passes on; None where there is
    none."""
    found = _PROGRESS.findall(text)
    return int(float(found[-1]) * 100) if found else None


def recognizes(signs: Signs) -> bool:
    return signs.os_release.get("ID") == "flatcar" and "update_engine_client" in signs.programs


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: Flatcar(host),
    recognizes=recognizes,
    programs=("update_engine_client",),
)
