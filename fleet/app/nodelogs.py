"""The log of a machine's last boot, read from the machine itself."""

from __future__ import annotations

import asyncio

from fleet.core.errors import UsageError
from fleet.machines.bootlog import BootLog
from fleet.machines.local import Local, prefix_of


def last_boot(way: str, unit: str = "", lines: int = 100) -> str:
    """`way`: `ssh:USER@NAME:PORT`, or as `machines.local.prefix_of` has it. Its last characters, as BootLog bounds them.

    Raises UsageError for what is no way, MachineError where the machine keeps no such log, UnreachableError.
    """
    return asyncio.run(_read(way, unit, lines))


async def _read(way: str, unit: str, lines: int) -> str:
    if not way.startswith("ssh:"):
        return await BootLog(Local(prefix_of(way))).last_boot(unit, lines)
    from fleet.machines.ssh import Access, Limit, Ssh, address_of

    if not way.removeprefix("ssh:"):
        raise UsageError("ssh: names no machine", "--host ssh:USER@NAME")
    ssh = Ssh(address_of(way.removeprefix("ssh:")), Access(), Limit())
    try:
        return await BootLog(ssh).last_boot(unit, lines)
    finally:
        await ssh.close()
