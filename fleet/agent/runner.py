"""Runs the agent of one node, with the identity of the pod that it runs in."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleet.agent.agent import Agent, Pace
from fleet.agent.bundle import LabSettings, run_lab_agents
from fleet.agent.own import Machines
from fleet.app.clock import WallClock
from fleet.core.errors import UsageError
from fleet.kube.credentials import Source
from fleet.kube.transport import Transport
from fleet.machines.os import simulated
from fleet.machines.os.family import Family


async def run_agent(node: str, family: Family, source: Source, pace: Pace, stop: asyncio.Event) -> None:
    """Until `stop` is set. An API server that is away is waited for.

    Raises UsageError or AuthenticationError where the credentials cannot be used.
    """
    clock = WallClock()
    transport = Transport(source, clock)
    try:
        async with asyncio.TaskGroup() as group:
            machines = Machines(transport, clock, node)
            tasks = [
                group.create_task(machines.run()),
                group.create_task(Agent(machines.own(node), family, pace).run()),
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
    finally:
        await transport.close()


async def run(node: str, family: str, kubeconfig: Path | None, stop: asyncio.Event) -> None:
    """What `fleet agent` does: the agent of this node, on the operating system of this family.

    Raises UsageError for a family that this version has not.
    """
    if family != simulated.OS:
        raise UsageError(
            f"this version of fleet cannot work on the operating system {family!r} of node {node}",
            f"it knows {simulated.OS!r} alone, the one of the lab's fake nodes",
        )
    if kubeconfig is None:
        raise UsageError("a simulated machine needs a kubeconfig", "name one with --kubeconfig")
    await run_lab_agents(kubeconfig, settings=LabSettings(nodes=frozenset({node})), stop=stop)
