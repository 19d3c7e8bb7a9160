"""Agents that run in the controller, for nodes that are reached over ssh or by playbooks: each works on the Machine
that an agent's pod would work on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import MachineReach, Policy, Pool
from fleet.core.records.errors import FleetError
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Deleted, JournalNote, Upserted
from fleet.core.rollout.record import TaskPlayed
from fleet.drivers.pipeline import EngineInput
from fleet.kube.actions.machine_client import MachineInformer
from fleet.kube.client.transport import Transport
from fleet.kube.cluster import KubeCluster
from fleet.kube.install.installation import AGENT_LABELS, AGENT_NAMESPACES
from fleet.machines.agent.agent import AgentIntervals
from fleet.machines.agent.boot_log import BootLogReader, JournalctlBootLog
from fleet.machines.agent.contained import contained
from fleet.machines.agent.remote import RemoteAgent
from fleet.machines.ansible.events import TaskResult
from fleet.machines.ansible.play import refuse_without
from fleet.machines.families.detect import detect
from fleet.machines.families.family import Family
from fleet.machines.families.registry import connect
from fleet.machines.host import Host
from fleet.system.clock import WallClock

LOG = logging.getLogger(__name__)
PARALLEL = 32
"""The most connections that are made, commands that run, and playbooks, at once in one cluster."""
RETRY_SECONDS = 15.0
PLAYED = AgentIntervals(looks=(10.0, 60.0), slow=None)
"""Intervals of agents that work by playbook: one observation takes seconds of CPU time."""
PLAYED_LOOK = 3600.0
"""Seconds between two observations by playbook. A boot is seen earlier, since the node's kubelet reports it."""

Say = Callable[[str, str, TaskResult], None]
"""A callback that receives the node, the step and the task."""


class Remote(Protocol):
    """A machine that the controller works on. Nothing is connected before the first call."""

    pace: AgentIntervals
    look: float
    """Seconds between two checks whether the machine has booted."""
    news: asyncio.Event
    """Set when a check before that time is worthwhile."""

    @property
    def log(self) -> BootLogReader: ...

    async def system(self) -> Family:
        """Returns the OS family of the machine. Raises FleetError where the machine is not reached, or fleet does not
        know its OS."""
        ...

    async def close(self) -> None: ...


Open = Callable[[str, Pool, Say], Remote]
"""Opens a node by its name, which the user's own ssh configuration may define."""


class RemoteHost(Host, Protocol):
    async def close(self) -> None: ...


class ByCommands:
    def __init__(
        self, node: str, source: str, way: RemoteHost, pace: AgentIntervals | None = None, look: float = 5.0
    ) -> None:
        self.log = JournalctlBootLog(way)
        self.pace = pace or AgentIntervals()
        self.look = look
        self.news = asyncio.Event()
        self._node, self._source, self._way = node, source, way

    async def system(self) -> Family:
        return connect(await detect(self._way), self._way, self._source, self._node)

    async def close(self) -> None:
        await self._way.close()


def over_ssh() -> Open:
    from fleet.machines.access import SshAccess, SshAddress
    from fleet.machines.ssh.host import Limit, Ssh

    access, limit = SshAccess(), Limit(PARALLEL)
    return lambda node, pool, report: ByCommands(node, pool.source, Ssh(SshAddress(node), access, limit))


def by_playbooks(folder: Path) -> Open:
    """Returns a function that opens nodes by playbooks. `folder` has the artifacts of runs, a subfolder for each node.
    Raises UsageError where ansible-runner is not installed."""
    refuse_without()
    from fleet.machines.access import SshAccess, SshAddress
    from fleet.machines.ansible.connection import Login
    from fleet.machines.ansible.playbook import PlaybookRules, Playbooks
    from fleet.machines.ssh.host import Limit

    access, limit = SshAccess(), Limit(PARALLEL)

    class ByPlaybooks(Playbooks):
        pace, look = PLAYED, PLAYED_LOOK

        @property
        def log(self) -> BootLogReader:
            return self

        async def system(self) -> Family:
            return self

    def opened(node: str, pool: Pool, report: Say) -> Remote:
        rules = PlaybookRules(
            {step: Path(path) for step, path in pool.playbooks.items()},
            pool.stage.timeout_seconds,
            pool.reboot.timeout_seconds,
            source=pool.source,
        )
        login = Login(SshAddress(node), access, limit)
        return ByPlaybooks(node, login, folder / node, rules, lambda step, task: report(node, step, task))

    return opened


class RemoteAgents:
    """Runs the agents of nodes whose pool is not reached by agents on the nodes. A node on which an agent's pod runs
    nevertheless is left alone: two agents would both act."""

    def __init__(
        self,
        cluster: str,
        policy: Policy,
        transport: Transport,
        ways: Mapping[MachineReach, Open],
        retry: float = RETRY_SECONDS,
    ) -> None:
        """Makes the agents of one cluster. `retry` is how many seconds pass between two attempts at a machine that is
        not reached, or whose OS fleet does not know."""
        self._put: Callable[[ClusterEvent], None] = lambda _: None
        """Puts an event into the executor's inbox."""
        self._cluster = cluster
        self._policy = policy
        self._machines = MachineInformer(transport, WallClock())
        self._ways = ways
        self._retry = retry
        self._nodes: dict[str, Pool] = {}
        self._pods: dict[str, str] = {}
        """The nodes of agents' pods, by the pods' uid."""
        self._tokens: dict[str, str] = {}
        """The tokens of current requests to machines, by node."""
        self._boots: dict[str, str] = {}
        self._served: dict[str, Remote] = {}
        self._complete = False
        """True if all pods are known; before that, there may be unknown pods of agents."""
        self._changed = asyncio.Event()

    @property
    def wanted(self) -> dict[str, Pool]:
        """Returns the nodes that are served from here, with their pools."""
        if not self._complete:
            return {}
        own = set(self._pods.values())
        return {name: pool for name, pool in self._nodes.items() if name not in own}

    def attach(self, engine: EngineInput) -> None:
        self._put = engine.put

    async def before(self, event: ClusterEvent) -> Sequence[ClusterEvent]:
        """Records which nodes are to be served from an event; adds no events."""
        self.see(event)
        return ()

    def see(self, event: ClusterEvent) -> None:
        """Handles one event of the cluster: nodes, agents' pods and requests to machines that are added, changed or
        deleted."""
        changed = False
        match event:
            case Upserted(_, Node() as node):
                pool = self._policy.pool_of(self._cluster, node)
                changed = self._note(
                    node.name, pool if pool is not None and pool.reach in self._ways else None
                )
                self._booted(node)
            case Deleted(_, Node() as node):
                changed = self._note(node.name, None)
            case Upserted(_, Pod() as pod) if pod.node and not pod.finished and _is_agents(pod):
                changed = pod.uid not in self._pods
                self._pods[pod.uid] = pod.node
            case Upserted(_, Pod() as pod) | Deleted(_, Pod() as pod):
                changed = self._pods.pop(pod.uid, None) is not None
            case Upserted(_, Machine() as machine) if machine.name in self._nodes:
                self._tokens[machine.name] = machine.request.token if machine.request is not None else ""
            case ClusterSynced():
                changed = self._complete = True
        if changed:
            self._changed.set()

    def _note(self, node: str, pool: Pool | None) -> bool:
        """Records whether and how the node is served, and returns whether that has changed."""
        before = self._nodes.pop(node, None)
        if pool is not None:
            self._nodes[node] = pool
        return before != pool

    def _booted(self, node: Node) -> None:
        """Asks for an observation of a machine as soon as its kubelet reports a new boot, which is earlier than the
        next regular one."""
        before, self._boots[node.name] = self._boots.get(node.name), node.boot_id
        remote = self._served.get(node.name)
        if remote is not None and before != node.boot_id:
            remote.news.set()

    def _journal_task(self, node: str, step: str, task: TaskResult) -> None:
        """Writes a playbook's task into the journal of the rollout that asked for it."""
        rollout = self._tokens.get(node, "").partition("/")[0]
        played = TaskPlayed(
            rollout=rollout,
            node=NodeRef(self._cluster, node),
            why=f"{step}: {task}",
            playbook=step,
            task=task.task,
            result=task.result,
        )
        self._put(JournalNote(self._cluster, played))

    async def run(self) -> None:
        """Serves each wanted node by a task of its own, for as long as the node is wanted."""
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
                    # The node's connection is closed before another one is made.
                    await asyncio.wait({task})
                for name in wanted.keys() - served.keys():
                    served[name] = wanted[name], tasks.create_task(self._serve(name, wanted[name]))

    async def _serve(self, node: str, pool: Pool) -> None:
        remote = self._served[node] = self._ways[pool.reach](node, pool, self._journal_task)
        try:
            system = await self._system(node, remote)
            own = self._machines.client(node)
            agent = RemoteAgent(own, system, remote.pace, remote.look, remote.log, remote.news)
            await agent.run()
        finally:
            del self._served[node]
            await remote.close()

    async def _system(self, node: str, remote: Remote) -> Family:
        """Waits for a machine that is not reached, or that an operator has to fix, and returns its OS family."""
        reported = ""
        while True:
            try:
                with contained(node):
                    return await remote.system()
            except FleetError as error:
                if error.message != reported:
                    LOG.warning("node %s: %s", node, error)
                reported = error.message
            await asyncio.sleep(self._retry)


def agents_of(cluster: KubeCluster, policy: Policy, folder: Path) -> RemoteAgents:
    """Returns the agents of the pools that are not reached by agents on their nodes. `folder` has the artifacts of
    playbooks.

    Raises UsageError where a pool uses playbooks, and ansible-runner is not installed.
    """
    ways: dict[MachineReach, Open] = {"ssh": over_ssh()}
    if "playbook" in policy.reaches:
        ways["playbook"] = by_playbooks(folder / cluster.name)
    return RemoteAgents(cluster.name, policy, cluster.transport, ways)


def _is_agents(pod: Pod) -> bool:
    return pod.namespace in AGENT_NAMESPACES and AGENT_LABELS.items() <= pod.labels.items()
