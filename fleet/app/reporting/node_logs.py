"""Fetches the log of a machine's last boot: from its agent in the cluster, or over ssh."""

from __future__ import annotations

import asyncio

from fleet.app.access.allowed import allowed
from fleet.app.reporting.explain import find
from fleet.app.reporting.status import fleet_status
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.registry import source_of
from fleet.core.objects.machine import LogAsk
from fleet.core.objects.node import NodeRef
from fleet.core.policy.access import Role
from fleet.core.records.errors import UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import LogRequested
from fleet.machines.agent.boot_log import JournalctlBootLog, checked_unit
from fleet.machines.errors import MachineError
from fleet.machines.local import Local, prefix_of

SECONDS = 90.0
"""Seconds to wait for an agent's answer: `journalctl` alone may take a minute."""


def of_node(home: Home, name: str, unit: str = "", lines: int = 100, seconds: float = SECONDS) -> str:
    """Returns the log of the last boot of a node of the fleet, through the connection that fleet uses for the node.
    The request for the log is journaled.

    Raises UsageError for a node that the fleet does not have and for an invalid unit name, UnreachableError where
    there is no answer, NotAllowedError without the role, FleetError where the machine has no such log.
    """
    _refuse_invalid(unit)
    if not home.begun:
        raise UsageError(
            f"there is no fleet in {home.path}",
            f"over ssh: fleet node logs {name} --last-boot --host ssh:{name}",
        )
    caller = allowed(home, Role.OPERATOR, "read the logs of machines")
    node = find(fleet_status(home).nodes, name)
    request = LogRequested(node=NodeRef(node.cluster, node.name), lines=lines, unit=unit)
    (entry,) = home.store.journal.append([to_record(request)], at=home.now(), actor=caller.actor)
    source = source_of(home, home.store.clusters.get(node.cluster))
    return asyncio.run(source.boot_log(node.name, LogAsk(f"log/{entry.place}", unit, lines), seconds))


def log_over_connection(way: str, unit: str = "", lines: int = 100) -> str:
    """Returns the log of a machine's last boot over a connection of the caller's choice, cut to its last characters by
    the limits of BootLog. `way` is `ssh:USER@NAME:PORT`, or a prefix as in `machines.local.prefix_of`.

    Raises UsageError for a text that names no connection and for an invalid unit name, MachineError where the machine
    keeps no such log, and UnreachableError.
    """
    _refuse_invalid(unit)
    return asyncio.run(_read_log(way, unit, lines))


def _refuse_invalid(unit: str) -> None:
    """Raises UsageError for an invalid unit name, before the request is journaled or sent to any machine."""
    try:
        checked_unit(unit)
    except MachineError as error:
        raise UsageError(error.message, "--unit such as kubelet.service") from None


async def _read_log(way: str, unit: str, lines: int) -> str:
    if not way.startswith("ssh:"):
        return await JournalctlBootLog(Local(prefix_of(way))).last_boot(unit, lines)
    from fleet.machines.access import SshAccess, address_of
    from fleet.machines.ssh.host import Limit, Ssh

    if not way.removeprefix("ssh:"):
        raise UsageError("ssh: names no machine", "--host ssh:USER@NAME")
    ssh = Ssh(address_of(way.removeprefix("ssh:")), SshAccess(), Limit())
    try:
        return await JournalctlBootLog(ssh).last_boot(unit, lines)
    finally:
        await ssh.close()
