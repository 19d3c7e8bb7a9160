"""The log of a machine's last boot: told by its agent in the cluster, or read over ssh."""

from __future__ import annotations

import asyncio

from fleet.app.clusters import last_log
from fleet.app.explain import find
from fleet.app.home import Home, person
from fleet.app.status import fleet_status
from fleet.core.errors import UsageError
from fleet.core.journal import Record
from fleet.core.machine import LogAsk
from fleet.machines.bootlog import BootLog
from fleet.machines.local import Local, prefix_of

SECONDS = 90.0
"""For an agent's answer: `journalctl` alone has a minute."""


def of_node(home: Home, name: str, unit: str = "", lines: int = 100, seconds: float = SECONDS) -> str:
    """Of a node of the fleet, in the way in which fleet reaches it. That it was asked for is journaled.

    Raises UsageError for a node that the fleet has not, else as `last_log`.
    """
    if not home.exists:
        raise UsageError(
            f"there is no fleet in {home.path}",
            f"over ssh: fleet node logs {name} --last-boot --host ssh:{name}",
        )
    node = find(fleet_status(home).nodes, name)
    asked = {"lines": lines} | ({"unit": unit} if unit else {})
    record = Record("command", "log", node=f"{node.cluster}/{node.name}", detail=asked)
    (entry,) = home.store.journal.append([record], at=home.now(), actor=person())
    row = home.store.clusters.get(node.cluster)
    return last_log(home, row, node.name, LogAsk(f"log/{entry.place}", unit, lines), seconds)


def over(way: str, unit: str = "", lines: int = 100) -> str:
    """`way`: `ssh:USER@NAME:PORT`, or as `machines.local.prefix_of` has it. Its last characters, as BootLog bounds them.

    Raises UsageError for what is no way, MachineError where the machine keeps no such log, UnreachableError.
    """
    return asyncio.run(_over(way, unit, lines))


async def _over(way: str, unit: str, lines: int) -> str:
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
