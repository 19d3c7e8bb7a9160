"""Code for families whose machines run commands under systemd.

In an observation, the boot id and the booted release are proof and may not be guessed. The rest is reported where the
machine gives it: an unexpected line, a service that does not answer, or a missing file never fails the whole
observation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fleet.core.objects.machine import UNKNOWN_STATE, Units
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.competing_updaters import refuse_competing_updaters, refuse_scheduled
from fleet.machines.errors import MachineError
from fleet.machines.host import ABSENT, BOOT_ID, CommandResult, Host, LostError, checked, read_line
from fleet.machines.job import Percent, finish
from fleet.machines.progress import ReportPercent

FAILED = ("systemctl", "list-units", "--state=failed", "--all", "--output=json")
"""The command that lists failed units: JSON since systemd 246; earlier versions print a table, by the flags that
follow without legend and ellipses."""
TABLE = ("--plain", "--no-legend", "--no-pager", "--full")
STATE = re.compile(r"[a-z][a-z-]{0,31}")
"""Matches the name of a state of systemd: newer versions may have other states."""
LIVE_PATCHES = (
    "for each in /sys/kernel/livepatch/*/enabled; do "
    'if [ -r "$each" ] && read -r on < "$each" && [ "$on" = 1 ]; then '
    'each="${each%/enabled}"; echo "${each##*/}"; fi; done'
)
_MODULE = re.compile(r"[\w.-]{1,256}", re.ASCII)
_UNIT = re.compile(
    r"[^\s/]{1,251}\.(service|socket|target|mount|automount|swap|timer|path|slice|scope|device|snapshot)"
)


async def boot_id(host: Host) -> str:
    return await read_line(host, BOOT_ID)


async def kernel(host: Host) -> str:
    """Returns the release of the kernel; empty where the machine does not report it."""
    return await _line(host, "/proc/sys/kernel/osrelease")


async def kernel_arguments(host: Host) -> str:
    """Returns the kernel's arguments on one line; empty where the machine does not report them."""
    return await _line(host, "/proc/cmdline")


async def live_patches(host: Host) -> tuple[str, ...]:
    """Returns the names of the live patches that the kernel runs, sorted; empty where it runs none, or has no support for
    them.

    Source: Documentation/ABI/testing/sysfs-kernel-livepatch. The modules of kpatch, of Canonical Livepatch and of SUSE's
    live patching are all there. Only what is enabled counts.
    """
    ran = await host.run(("sh", "-c", LIVE_PATCHES))
    return live_patches_of(ran.stdout.splitlines()) if ran.succeeded else ()


def live_patches_of(lines: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of live patches, sorted. Lines that are no name of a kernel module are left out."""
    return tuple(sorted({name for line in lines if _MODULE.fullmatch(name := line.strip())}))


async def _line(host: Host, path: str) -> str:
    ran = await host.run(("cat", path))
    return ran.stdout.strip() if ran.succeeded else ""


async def units(host: Host) -> Units | None:
    """Returns the state of systemd; None where the machine was not booted with systemd.

    The state is UNTOLD where systemd exists and does not answer. States of newer versions that are unknown here are
    passed on. Source: systemctl(1), is-system-running, whose exit code is less specific than its output.
    """
    ran = await host.run(("systemctl", "is-system-running"))
    state = ran.stdout.strip()
    if ran.code == ABSENT or state == "offline":
        return None
    listed = await host.run((*FAILED, *TABLE))
    if not listed.succeeded or not STATE.fullmatch(state):
        return Units(UNKNOWN_STATE)
    return Units(state, parse_failed(listed.stdout))


def parse_failed(text: str) -> tuple[str, ...]:
    """Returns names of units, sorted. An entry or a line without a unit's name, such as a hint, is skipped."""
    try:
        listed = decode(text, list[dict[str, Any]])
        found = {unit for each in listed if isinstance(unit := each.get("unit"), str)}
    except UnreadableError:
        # A failed unit may have a marker before its name.
        columns = (line.lstrip("●○×↻* \t").split(maxsplit=1) for line in text.splitlines())
        found = {name for name, *rest in filter(None, columns) if rest and _UNIT.fullmatch(name)}
    return tuple(sorted(found))


async def reboot(host: Host, argv: Sequence[str] = ("systemctl", "reboot")) -> None:
    """Asks the machine to reboot, unless another party has scheduled a reboot, which this one would cancel."""
    await refuse_scheduled(host)
    await go_down(host, argv)


async def go_down(host: Host, argv: Sequence[str]) -> None:
    """Runs a command that takes the machine down. A connection that is cut by it counts as success."""
    try:
        ran = await host.run(argv)
    except LostError:
        return
    if not ran.succeeded:
        raise MachineError(ran.message)


async def long(
    host: Host, token: str, argv: Sequence[str], progress: ReportPercent, percent: Percent = lambda _: None
) -> CommandResult:
    """Runs a job that must succeed. Raises MachineError where it fails, or where another updater is at work on the
    machine."""
    await refuse_competing_updaters(host)
    ran = await finish(host, token, argv, progress, percent)
    if not ran.succeeded:
        raise MachineError(ran.message)
    return ran


async def output(host: Host, *argv: str) -> str:
    return await checked(host, argv)
