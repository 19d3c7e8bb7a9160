"""What families have in common whose machines run commands under systemd.

Of a look at a machine the boot id and the booted release are proof and may not be guessed. The rest is told where the
machine tells it: an odd line, a service that does not answer, a file that is not there never fails the whole look.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fleet.core.objects.machine import UNTOLD, Units
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.competing_updaters import refuse_competing_updaters, refuse_scheduled
from fleet.machines.errors import MachineError
from fleet.machines.host import ABSENT, BOOT_ID, CommandResult, Host, LostError, checked, read_line
from fleet.machines.job import Percent, finish
from fleet.machines.progress import ReportPercent

FAILED = ("systemctl", "list-units", "--state=failed", "--all", "--output=json")
"""JSON since systemd 246; one before it prints its table, by the flags that follow without legend and ellipses."""
TABLE = ("--plain", "--no-legend", "--no-pager", "--full")
STATE = re.compile(r"[a-z][a-z-]{0,31}")
"""A word of systemd for its state: newer ones may have others than are known today."""
_UNIT = re.compile(
    r"[^\s/]{1,251}\.(service|socket|target|mount|automount|swap|timer|path|slice|scope|device|snapshot)"
)


async def boot_id(host: Host) -> str:
    return await read_line(host, BOOT_ID)


async def kernel(host: Host) -> str:
    """Returns the release of the kernel; empty where the machine does not tell it."""
    return await _line(host, "/proc/sys/kernel/osrelease")


async def kernel_arguments(host: Host) -> str:
    """Returns the kernel's arguments in one line; empty where the machine does not tell them."""
    return await _line(host, "/proc/cmdline")


async def _line(host: Host, path: str) -> str:
    ran = await host.run(("cat", path))
    return ran.stdout.strip() if ran.succeeded else ""


async def units(host: Host) -> Units | None:
    """Returns what systemd says of the machine; None where the machine was not booted with systemd.

    Its state is UNTOLD where systemd is there and does not answer. Newer systemd may have states that are not known
    here: they are told as they are. Source: systemctl(1), is-system-running, whose exit code says less than its word.
    """
    ran = await host.run(("systemctl", "is-system-running"))
    state = ran.stdout.strip()
    if ran.code == ABSENT or state == "offline":
        return None
    listed = await host.run((*FAILED, *TABLE))
    if not listed.succeeded or not STATE.fullmatch(state):
        return Units(UNTOLD)
    return Units(state, parse_failed(listed.stdout))


def parse_failed(text: str) -> tuple[str, ...]:
    """Returns names of units, sorted. An entry or a line without a unit's name, such as a hint, is passed over."""
    try:
        listed = decode(text, list[dict[str, Any]])
        found = {unit for each in listed if isinstance(unit := each.get("unit"), str)}
    except UnreadableError:
        # A unit that is not in order may have a mark before its name.
        words = (line.lstrip("●○×↻* \t").split(maxsplit=1) for line in text.splitlines())
        found = {name for name, *rest in filter(None, words) if rest and _UNIT.fullmatch(name)}
    return tuple(sorted(found))


async def reboot(host: Host, argv: Sequence[str] = ("systemctl", "reboot")) -> None:
    """Asks the machine to reboot, unless somebody else has a reboot of it scheduled: that would be lost with this one."""
    await refuse_scheduled(host)
    await go_down(host, argv)


async def go_down(host: Host, argv: Sequence[str]) -> None:
    """Runs a command that takes the machine down. A connection that breaks by it counts as success."""
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
