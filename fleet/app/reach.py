"""Nodes of a cluster that are reached over ssh: their agents run here, each on the Machine that an agent's pod would
work on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from fleet.app.clock import WallClock
from fleet.core.errors import FleetError
from fleet.core.event import Event, Gone, Seen, Synced
from fleet.core.node import Node
from fleet.core.pod import Pod
from fleet.core.policy import Policy, Pool
from fleet.drivers.agents import ClusterWithAgents
from fleet.drivers.ports import Cluster
from fleet.kube.cluster import Cluster as RealCluster
from fleet.kube.installation import AGENT_LABELS, NAMESPACE
from fleet.kube.own import Machines
from fleet.kube.transport import Transport
from fleet.machines.agent import Pace
from fleet.machines.bootlog import BootLog
from fleet.machines.host import Host
from fleet.machines.os.detect import detect, family
from fleet.machines.os.family import Family
from fleet.machines.remote import RemoteAgent

LOG = logging.getLogger(__name__)
PARALLEL = 32
"""Connections that are made, and commands that run, at once in one cluster."""
RETRY_SECONDS = 15.0


class Way(Host, Protocol):
    async def close(self) -> None: ...


def over_ssh() -> Callable[[str], Way]:
    """To a node by its name, which the user's own ssh configuration may explain. Nothing is connected before the first
    command."""
    from fleet.machines.ssh import Access, Address, Limit, Ssh

    access, limit = Access(), Limit(PARALLEL)
    return lambda node: Ssh(Address(node), access, limit)


class RemoteAgents:
    """Of the nodes whose pool says `reach: ssh`, but for those on which an agent's pod runs: two would both act."""

    def __init__(
        self,
        cluster: str,
        policy: Policy,
        transport: Transport,
        reach: Callable[[str], Way],
        pace: Pace | None = None,
        look: float = 5.0,
        retry: float = RETRY_SECONDS,
    ) -> None:
        """`look`: seconds between two looks at a machine, whether it has booted since; `retry`: at one that is not
        reached, or that is none fleet knows."""
        self._cluster = cluster
        self._policy = policy
        self._machines = Machines(transport, WallClock())
        self._reach = reach
        self._pace = pace or Pace()
        self._look = look
        self._retry = retry
        self._nodes: dict[str, Pool] = {}
        self._pods: dict[str, str] = {}
        """Nodes of agents' pods, by the pods' uid."""
        self._complete = False
        """All pods are known: before, there could be agents' among them."""
        self._changed = asyncio.Event()

    @property
    def wanted(self) -> dict[str, Pool]:
        """The nodes that are served from here, with their pools."""
        if not self._complete:
            return {}
        own = set(self._pods.values())
        return {name: pool for name, pool in self._nodes.items() if name not in own}

    def see(self, event: Event) -> None:
        match event:
            case Seen(_, Node() as node):
                pool = self._policy.pool_of(self._cluster, node)
                changed = self._note(node.name, pool if pool is not None and pool.reach == "ssh" else None)
            case Gone(_, Node() as node):
                changed = self._note(node.name, None)
            case Seen(_, Pod() as pod) if pod.node and not pod.finished and _is_agents(pod):
                changed = pod.uid not in self._pods
                self._pods[pod.uid] = pod.node
            case Seen(_, Pod() as pod) | Gone(_, Pod() as pod):
                changed = self._pods.pop(pod.uid, None) is not None
            case Synced():
                changed = self._complete = True
            case _:
                return
        if changed:
            self._changed.set()

    def _note(self, node: str, pool: Pool | None) -> bool:
        """True: it is served otherwise than before."""
        before = self._nodes.pop(node, None)
        if pool is not None:
            self._nodes[node] = pool
        return before != pool

    async def run(self) -> None:
        served: dict[str, tuple[Pool, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._machines.run())
            self._changed.set()
            while True:
                await self._changed.wait()
                self._changed.clear()
                wanted = self.wanted
                for name in [name for name, (pool, _) in served.items() if wanted.get(name) != pool]:
                    _, task = served.pop(name)
                    task.cancel()
                    # Its connection is closed before another is made.
                    await asyncio.wait({task})
                for name in wanted.keys() - served.keys():
                    served[name] = wanted[name], tasks.create_task(self._serve(name, wanted[name].source))

    async def _serve(self, node: str, source: str) -> None:
        way = self._reach(node)
        try:
            system = await self._family(node, way, source)
            own = self._machines.own(node)
            await RemoteAgent(own, system, self._pace, self._look, BootLog(way)).run()
        finally:
            await way.close()

    async def _family(self, node: str, way: Way, source: str) -> Family:
        """Waits for a machine that is not reached, and for one that somebody has to mend."""
        said = ""
        while True:
            try:
                return family(await detect(way), way, source, node)
            except FleetError as error:
                if error.message != said:
                    LOG.warning("node %s: %s", node, error)
                said = error.message
            await asyncio.sleep(self._retry)


def with_agents(cluster: RealCluster, policy: Policy) -> Cluster:
    """With the agents of its pools that are reached over ssh."""
    agents = RemoteAgents(cluster.name, policy, cluster.transport, over_ssh())
    return ClusterWithAgents(cluster, agents)


def _is_agents(pod: Pod) -> bool:
    return pod.namespace == NAMESPACE and AGENT_LABELS.items() <= pod.labels.items()
