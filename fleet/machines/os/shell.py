"""What families have in common whose machines run commands under systemd."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.machine import Units
from fleet.machines.host import BOOT_ID, Host, LostError, Ran, checked, read_line
from fleet.machines.job import Percent, finish
from fleet.machines.os.family import MachineError, Progress
from fleet.machines.updaters import refuse_others

SYSTEM_STATES = frozenset(
    {"initializing", "starting", "running", "degraded", "maintenance", "stopping", "offline", "unknown"}
)


async def boot_id(host: Host) -> str:
    return await read_line(host, BOOT_ID)


async def kernel(host: Host) -> str:
    return await read_line(host, "/proc/sys/kernel/osrelease")


async def kernel_arguments(host: Host) -> str:
    return await read_line(host, "/proc/cmdline")


async def units(host: Host) -> Units:
    """What systemd says of the machine. Source: systemctl(1), is-system-running: its exit code says less than its word."""
    ran = await host.run(("systemctl", "is-system-running"))
    state = ran.stdout.strip()
    if state not in SYSTEM_STATES:
        raise MachineError(f"systemd's state is not understood: {ran.words}")
    listed = await checked(
        host,
        (
            "systemctl",
            "list-units",
            "--state=failed",
            "--all",
            "--plain",
            "--no-legend",
            "--no-pager",
            "--full",
        ),
    )
    return Units(state, parse_failed(listed))


def parse_failed(text: str) -> tuple[str, ...]:
    """Names of units, in order. Raises MachineError with the line that it does not understand."""
    found: set[str] = set()
    for line in text.splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        if "." not in name or "failed" not in rest.split()[1:2]:
            raise MachineError(f"systemctl list-units has a line that is not understood: {line!r}")
        found.add(name)
    return tuple(sorted(found))


async def reboot(host: Host, argv: Sequence[str] = ("systemctl", "reboot")) -> None:
    """A connection that dies because the machine goes down is what was asked for."""
    try:
        ran = await host.run(argv)
    except LostError:
        return
    if not ran.good:
        raise MachineError(ran.words)


async def long(
    host: Host,
    token: str,
    argv: Sequence[str],
    progress: Progress,
    percent: Percent = lambda _: None,
    others: Sequence[str] = (),
) -> Ran:
    """A job that must end well; `others` are the units of updaters that must not be at work beside it."""
    await refuse_others(host, others)
    ran = await finish(host, token, argv, progress, percent)
    if not ran.good:
        raise MachineError(ran.words)
    return ran


async def output(host: Host, *argv: str) -> str:
    return await checked(host, argv)
