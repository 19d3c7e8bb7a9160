"""Runs the agent of one node, with the identity of the pod that it runs in."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from fleet.core.records.errors import UsageError
from fleet.kube.actions.machine_client import MachineInformer
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.machines import competing_updaters
from fleet.machines.agent.agent import Agent, AgentIntervals
from fleet.machines.agent.boot_log import BootLogReader, JournalctlBootLog
from fleet.machines.agent.remote import RemoteAgent
from fleet.machines.errors import MachineError
from fleet.machines.families.detect import detect
from fleet.machines.families.family import Family
from fleet.machines.families.registry import FAMILIES, connect
from fleet.machines.host import Host
from fleet.machines.local import Local, prefix_of
from fleet.system.clock import WallClock

LOG = logging.getLogger(__name__)


async def run_agent(
    node: str,
    family: Family,
    source: CredentialSource,
    pace: AgentIntervals,
    stop: asyncio.Event,
    remote: bool = False,
    log: BootLogReader | None = None,
) -> None:
    """Runs the agent until `stop` is set, and waits for an API server that is away.

    `remote`: the agent does not run on its machine but reaches the machine over ssh.

    Raises UsageError or AuthenticationError where the credentials cannot be used.
    """
    clock = WallClock()
    transport = Transport(source, clock)
    try:
        await transport.open()
        async with asyncio.TaskGroup() as group:
            machines = MachineInformer(transport, clock, node)
            own = machines.client(node)
            agent = RemoteAgent(own, family, pace, log=log) if remote else Agent(own, family, pace, log)
            tasks = [group.create_task(machines.run()), group.create_task(agent.run())]
            await stop.wait()
            for task in tasks:
                task.cancel()
    finally:
        await transport.close()


async def run(
    node: str, family: str, kubeconfig: Path | None, stop: asyncio.Event, way: str = "", source: str = ""
) -> None:
    """Runs `fleet agent`: the agent of this node, on the operating system of this family; empty: detects the family.

    `way` says how the host's commands are run: as `machines.local.prefix_of` reads it, or `ssh:ADDRESS`.
    `source` says where the family's releases are.
    Raises UsageError for what this version has not, MachineError where the family cannot be told.
    """
    if family and family not in FAMILIES:
        raise UsageError(
            f"this version of fleet cannot work on the operating system {family!r} of node {node}",
            f"it knows {', '.join(FAMILIES)}; leave it out, and the family is detected",
        )
    over_ssh = way.startswith("ssh:")
    host: Host = _over_ssh(way) if over_ssh else Local(prefix_of(way or "namespaces"))
    name = family or await detect(host)
    LOG.info("node %s: %s", node, name)
    if FAMILIES[name].has_shell:
        await warn_of_others(host)
    system = connect(name, host, source, node)
    await run_agent(
        node,
        system,
        CredentialSource(kubeconfig),
        AgentIntervals(),
        stop,
        remote=over_ssh,
        log=JournalctlBootLog(host),
    )


async def warn_of_others(host: Host) -> None:
    """Logs the updaters that compete with fleet on this machine.

    A look that fails keeps no agent from its work: staging looks again, and refuses then."""
    try:
        for updater in await competing_updaters.find_competing_updaters(host):
            LOG.warning("fleet is not the only updater on this machine: %s", updater.message)
    except MachineError as error:
        LOG.warning("%s", error)


def _over_ssh(way: str) -> Host:
    """Returns the host of `ssh:USER@NAME:PORT`; user and port may be left to the ssh configuration."""
    from fleet.machines.access import SshAccess, address_of
    from fleet.machines.ssh.host import Limit, Ssh

    return Ssh(address_of(way.removeprefix("ssh:")), SshAccess(), Limit())
