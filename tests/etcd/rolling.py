"""A controller at work on model nodes that carry real etcd members: a member dies with its node, and starts with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.quorum import now
from fleet.core.objects.node import SITE_LABEL, Node, NodeRef
from fleet.core.policy.policy import Amount, Limits, Policy
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import QuorumRule
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.rollout.action import AnyAction, Outcome, Reboot, Result
from fleet.core.rollout.event import Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.drivers.controller import Controller
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.quorum_clients import QuorumClients
from fleet.drivers.quorum_monitor import QuorumMonitor
from fleet.etcd.errors import EtcdError
from fleet.etcd.gateway import Gateway, trust
from fleet.etcd.group import EtcdGroup
from fleet.lab.etcd.members import Members
from fleet.lab.simulation.builders import NEW, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import SimulatedCluster, create
from fleet.store import ClusterRow, Store
from tests.etcd.raft_timeline import Moment

SECONDS = 150.0
"""For whatever is waited for."""
PATIENT_MS = 5000
"""An election timeout: members on a busy computer miss heartbeats for longer than bench.quorum's; an election that a
reboot costs comes at any."""
QUICK = ClusterBehaviour(stage=1, reboot=3, agent=0.2)


class Rolling:
    """One rollout over all members' nodes."""

    def __init__(self, folder: Path, members: Members, rule: QuorumRule) -> None:
        self.members = members
        self.timeline: list[Moment] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = QuorumGroup("etcd", "east", rule=rule, access=members.access)
        folder.mkdir(exist_ok=True)
        self._store = Store.open(folder / "fleet.db")
        self._store.clusters.add(ClusterRow(name="east", sites=("fra",), kind="simulated"))
        self._path = folder / "east.json"
        self._nodes = [a_node(name) for name in members.sites]
        for node in self._nodes:
            node.labels[SITE_LABEL] = members.sites[node.name]
        began = now()
        create(self._path, a_snapshot(self._nodes), QUICK, 1, began)
        self._clock = SimulatedClock(began)
        self._clock.run()
        self._policy: Policy = msgspec.structs.replace(
            a_policy(a_pool(limits=Limits(max_unavailable=Amount(9)), soak_seconds=1)), quorums=(self._group,)
        )

    @property
    def order(self) -> list[str]:
        """Who has gone."""
        return [each.member for each in self.timeline if each.what == "down"]

    @property
    def rollout(self) -> Rollout:
        return rollouts_of(self._store.journal.entries())["r-1"]

    def held(self, name: str) -> str:
        """The reasons for which the node waits, as users read them."""
        waiting = self._store.held.of("r-1").get(f"east/{name}")
        return "; ".join(each.message for each in waiting.held) if waiting is not None else ""

    def done(self, kind: str) -> int:
        """How often such an action has succeeded, by the journal."""
        return sum(
            entry.record.kind == kind and entry.record.detail.get("result") == "done"
            for entry in self.entries()
        )

    def entries(self) -> list[JournalEntry]:
        """The journal."""
        return list(self._store.journal.entries())

    def cut(self, one: str, other: str) -> None:
        """Between two sites."""
        sites = self.members.sites
        pairs = frozenset(
            frozenset((a, b)) for a in sites for b in sites if (sites[a], sites[b]) == (one, other)
        )
        self.members.wan.cut(one, other)
        self.timeline.append(Moment("cut", cut=pairs))

    def mend(self) -> None:
        self.members.wan.heal()
        self.timeline.append(Moment("mended"))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Leaves when the rollout has ended."""
        self._start()
        controller = Controller(
            self._store, self._connect, lambda: {"east": "fra"}, self._clock, now, lambda message: None
        )
        work = asyncio.create_task(controller.run(until_idle=True))
        try:
            yield
            await asyncio.wait_for(work, SECONDS)
            self._check()
        finally:
            for task in (work, *self._tasks):
                task.cancel()
            await asyncio.gather(work, *self._tasks, return_exceptions=True)

    async def until(self, condition: Callable[[], object], what: Callable[[], object]) -> None:
        """Raises TimeoutError with `what`."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while not condition():
            self._check()
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"not within {SECONDS:.0f} s: {what()}")
            await asyncio.sleep(0.1)

    async def wait_back(self, name: str) -> None:
        await self.until(lambda: Moment("back", name) in self.timeline, lambda: self.timeline)

    def _start(self) -> None:
        goals = tuple(Goal(NodeRef("east", node.name), node.uid, "workers") for node in self._nodes)
        self._command("start", msgspec.to_builtins(Start("p-1", NEW, self._policy, goals)))

    def abort(self) -> None:
        self._command("abort", {})

    def _command(self, kind: str, detail: dict[str, Any]) -> None:
        record = JournalRecord(form="command", kind=kind, rollout="r-1", detail=detail)
        self._store.journal.append([record], at=self._clock.now(), actor="ada@desk")

    async def _connect(self) -> Mapping[str, ClusterPipeline]:
        cluster = _Powered(self._path, self._clock, self._took)
        self._go(self._follow(cluster))
        groups = QuorumClients({"etcd": EtcdGroup(self._group, "fra", _NoServers())})
        monitor = QuorumMonitor("east", groups, self._clock)
        return {"east": ClusterPipeline(cluster, [monitor], [monitor])}

    def _took(self, name: str) -> None:
        self.members.kill(name)
        self.timeline.append(Moment("down", name))

    async def _follow(self, cluster: SimulatedCluster) -> None:
        """A node that has booted anew has its member again."""
        boots = {node.name: node.boot_id for node in self._nodes}
        async for event in cluster.events():
            if isinstance(event, Upserted) and isinstance(node := event.obj, Node):
                before, boots[node.name] = boots[node.name], node.boot_id
                if before != node.boot_id:
                    self.members.start(node.name)
                    self._go(self._joined(node.name))

    def _go(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    def _check(self) -> None:
        """Raises what has broken."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _joined(self, name: str) -> None:
        """Returns once the member votes again: it answers a linearizable read."""
        gateway = Gateway(self.members.client_url(name), trust(self.members.access))
        while True:
            try:
                await asyncio.to_thread(gateway.call, "/v3/kv/range", {"key": "AA=="}, 1.0)
            except EtcdError:
                await asyncio.sleep(0.1)
            else:
                break
        self.timeline.append(Moment("back", name))


class _NoServers:
    """The nodes are a model: no API server keeps its objects in this etcd."""

    async def etcd(self) -> str:
        return "there is no API server"


class _Powered(SimulatedCluster):
    def __init__(self, path: Path, clock: SimulatedClock, took: Callable[[str], None]) -> None:
        super().__init__(path, clock)
        self._took = took

    async def perform(self, action: AnyAction) -> Outcome:
        outcome = await super().perform(action)
        if isinstance(action, Reboot) and outcome.result is Result.DONE:
            self._took(action.node.name)
        return outcome
