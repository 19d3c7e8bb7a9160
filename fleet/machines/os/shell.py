"""What families have in common whose machines run commands under systemd."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.machines.host import Host, LostError, Ran, checked, read_line
from fleet.machines.job import Percent, finish
from fleet.machines.os.family import MachineError, Progress
from fleet.machines.updaters import refuse_others


async def boot_id(host: Host) -> str:
    return await read_line(host, "/proc/sys/kernel/random/boot_id")


async def kernel(host: Host) -> str:
    return await read_line(host, "/proc/sys/kernel/osrelease")


async def kernel_arguments(host: Host) -> str:
    return await read_line(host, "/proc/cmdline")


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
