"""The lab's agents: those of all fake nodes in one process, with one watch of Machines and one of Nodes.

    python -m fleet.lab.fake_nodes.agents KUBECONFIG

The process may be killed and started at any time. Besides running the agents it simulates the machines, so it needs
more permissions than an agent: get, list and watch nodes, and patch nodes/status.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from fleet.core.records.errors import FleetError
from fleet.core.text.visible import visible_lines
from fleet.kube.actions.machine_client import MachineInformer
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.retry import Backoff, retry_on_conflict
from fleet.kube.client.transport import Transport
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest, decoded
from fleet.kube.watch.reflector import Reflector
from fleet.lab.fake_nodes.host import FakeHost
from fleet.lab.fake_nodes.machine import MachineDurations
from fleet.lab.fake_nodes.node import FakeNode, NodePatch
from fleet.machines.agent.agent import AgentIntervals
from fleet.system import logs
from fleet.system.clock import Clock, WallClock

LOG = logging.getLogger(__name__)
NODES = "/api/v1/nodes"
FAKE = "kwok.x-k8s.io/node"
"""The annotation of nodes without a machine. No other node is ever changed."""

BACKOFF = Backoff(0.2, 10.0)

_NODE = msgspec.json.Decoder(FakeNode)
_NODES = ApiResource[FakeNode]("Node", "", "v1", "nodes", FakeNode, lambda found: found)


class LabSettings(Struct, frozen=True):
    """Settings of the lab's agents. `nodes` limits them to nodes of these names; empty means all fake nodes."""

    machines: MachineDurations = MachineDurations()
    # There are no observations after a boot: a fake machine's units are on its Node, which is watched.
    pace: AgentIntervals = AgentIntervals(progress=0.5, retry=0.2, retry_most=5.0, looks=())
    nodes: frozenset[str] = frozenset()


class ApiNode:
    """The NodeObject of one fake node."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._path = f"{NODES}/{name}"

    async def read(self) -> FakeNode:
        call = ApiRequest(verb="get", path=self._path, resource="nodes")
        return decoded(_NODE, await self._transport.call(call), "the Node")

    async def change(self, change: Callable[[FakeNode], NodePatch | None]) -> bool:
        async def attempt() -> bool:
            patch = change(await self.read())
            if patch is not None:
                await self._transport.call(self._patch(patch))
            return patch is not None

        return await retry_on_conflict(attempt)

    def _patch(self, patch: NodePatch) -> ApiRequest:
        media = "application/strategic-merge-patch+json"
        path = f"{self._path}/status"
        return ApiRequest(verb="patch", path=path, resource="nodes/status", body=dict(patch), media=media)


class FakeNodes:
    """The object store of a reflector for Nodes, which keeps a host for each simulated node."""

    def __init__(
        self,
        plays: Callable[[FakeNode], bool],
        host: Callable[[str], FakeHost],
        drop: Callable[[str], None],
    ) -> None:
        self._plays = plays
        self._host = host
        self._drop = drop
        self._names: set[str] = set()

    def replace(self, objects: Sequence[FakeNode]) -> None:
        for name in self._names - {node.name for node in objects}:
            self._forget(name)
        for node in objects:
            self.upsert(node)

    def upsert(self, node: FakeNode) -> None:
        if self._plays(node):
            self._names.add(node.name)
            self._host(node.name).node_changed(node)
        else:
            self._forget(node.name)

    def delete(self, node: FakeNode) -> None:
        self._forget(node.name)

    def _forget(self, name: str) -> None:
        self._names.discard(name)
        self._drop(name)


def _log(reflector: Reflector[FakeNode]) -> None:
    if reflector.error is not None:
        LOG.warning("%s: %s", reflector.resource.resource, reflector.error)


class FakeNodeAgents:
    """The hosts of a cluster's fake nodes."""

    def __init__(self, transport: Transport, clock: Clock, settings: LabSettings) -> None:
        self._transport = transport
        self._clock = clock
        self._settings = settings
        self._machines = MachineInformer(transport, clock)
        self._hosts: dict[str, tuple[FakeHost, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Runs until it is cancelled. Raises the error that ended a host: a bug."""
        async with asyncio.TaskGroup() as group:
            nodes = FakeNodes(self._plays, lambda name: self._host(name, group.create_task), self._drop)
            reflector = Reflector(
                self._transport, _NODES, self._clock, nodes, lambda: _log(reflector), backoff=BACKOFF
            )
            group.create_task(self._machines.run())
            await reflector.run()

    def _drop(self, name: str) -> None:
        if name in self._hosts:
            self._hosts.pop(name)[1].cancel()

    def _plays(self, node: FakeNode) -> bool:
        chosen = self._settings.nodes
        return FAKE in node.annotations and (not chosen or node.name in chosen)

    def _host(self, name: str, start: Callable[..., asyncio.Task[None]]) -> FakeHost:
        if name not in self._hosts:
            own, node = self._machines.client(name), ApiNode(self._transport, name)
            host = FakeHost(own, node, self._settings.machines, self._settings.pace, self._clock.now)
            self._hosts[name] = host, start(host.run())
        return self._hosts[name][0]


async def run_lab_agents(kubeconfig: Path, *, settings: LabSettings, stop: asyncio.Event) -> None:
    """Simulates the machines of all fake nodes, future ones too, and runs their agents, until `stop` is set.

    Raises FleetError where the kubeconfig cannot be used. An API server that is away is waited for.
    """
    clock = WallClock()
    transport = Transport(CredentialSource(kubeconfig), clock)
    playing = asyncio.create_task(FakeNodeAgents(transport, clock, settings).run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
    finally:
        playing.cancel()
        stopping.cancel()
        await asyncio.wait({playing, stopping})
        await transport.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fleet.lab.fake_nodes.agents", description="The lab's agents."
    )
    parser.add_argument("kubeconfig", type=Path)
    return parser.parse_args()


async def _main(kubeconfig: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_lab_agents(kubeconfig, settings=LabSettings(), stop=stop)


def main() -> int:
    logs.begin("text", "info")
    try:
        asyncio.run(_main(_arguments().kubeconfig))
    except FleetError as error:
        sys.stderr.write(visible_lines(f"error: {error.message}\n{error.hint}\n"))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
