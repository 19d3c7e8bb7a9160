"""Agents of nodes that are reached over ssh, on hosts that hold state and the Machines of an API server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleet.app.wiring.home import Home
from fleet.app.wiring.reach import ByCommands, Remote, RemoteAgents, Say
from fleet.app.wiring.sources.registry import source_of
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import Policy, Pool
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Deleted, Upserted
from fleet.drivers.leadership import ClusterLease
from fleet.kube.actions.machine_client import PATH
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.kube.cluster import KubeCluster
from fleet.store.inventory.clusters import ClusterRow
from fleet.store.store import Store
from fleet.system.clock import WallClock
from tests.kube_fake.server import ApiServer
from tests.kube_fake.world import write_kubeconfig
from tests.programs.hosts.boxes import NEW, QUICK, Box

NODES = "/api/v1/nodes"
POLICY = Policy(pools=(Pool("bare", Selector({"pool": "bare"}), reach="ssh"), Pool("rest")))
BARE = Node("n-0", "u-0", labels={"pool": "bare"})
REST = Node("n-1", "u-1")
POD = Pod(
    "fleet-system", "fleet-agent-x", "p-0", node="n-0", labels={"app.kubernetes.io/name": "fleet-agent"}
)


class Boxes:
    """Connections to hosts, counted."""

    def __init__(self) -> None:
        self.hosts = {name: Box(name) for name in ("n-0", "n-1")}
        self.open: list[str] = []
        self.most = 0

    def reach(self, node: str) -> Box:
        connections = self
        host = self.hosts[node]
        self.open.append(node)
        self.most = max(self.most, self.open.count(node))

        class Connection(Box):
            def __init__(self) -> None:
                self.__dict__ = host.__dict__

            async def close(self) -> None:
                connections.open.remove(node)

        return Connection()


class Environment:
    def __init__(self, server: ApiServer, kubeconfig: Path) -> None:
        self.server = server
        self.boxes = Boxes()
        self.transport = Transport(CredentialSource(kubeconfig), WallClock())
        self.agents = RemoteAgents("east", POLICY, self.transport, {"ssh": self.open}, retry=0.02)

    def open(self, node: str, pool: Pool, say: Say) -> Remote:
        return ByCommands(node, pool.source, self.boxes.reach(node), QUICK.agents, look=0.02)

    def send(self, *events: ClusterEvent) -> None:
        for event in events:
            self.agents.see(event)

    def status(self, node: str = "n-0") -> dict[str, Any]:
        return dict(self.server.objects[PATH].get(("", node), {}).get("status", {}))

    async def ask(self, action: str, token: str) -> None:
        release = {"version": NEW.version, "digest": NEW.digest}
        body = self.server.objects[PATH]["", "n-0"]
        await self.server.put(PATH, {**body, "spec": {"action": action, "token": token, "release": release}})
        await until(lambda: self.status().get("work", {}).get("token") == token)
        await until(lambda: self.status()["work"]["state"] == "done")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - between two looks at the condition
            await asyncio.sleep(0.01)


def story(tmp_path: Path, scenario: Callable[[Environment], Any]) -> None:
    async def run() -> None:
        async with ApiServer() as server:
            testbed = Environment(server, write_kubeconfig(tmp_path / "kubeconfig", server.url))
            try:
                await scenario(testbed)
            finally:
                await testbed.transport.close()

    asyncio.run(run())


def test_remote_agent_stages_and_reboots_its_machines_and_no_others(tmp_path: Path) -> None:
    async def scenario(testbed: Environment) -> None:
        testbed.send(Upserted("east", BARE), Upserted("east", REST), ClusterSynced("east"))
        work = asyncio.create_task(testbed.agents.run())
        await until(lambda: testbed.status().get("bootID"))
        before, boots = testbed.status()["bootID"], testbed.boxes.hosts["n-0"].boots
        await testbed.ask("stage", "t-1")
        assert testbed.status()["staged"]["version"] == NEW.version
        await testbed.ask("reboot", "t-2")
        assert testbed.status()["booted"]["version"] == NEW.version and testbed.status()["bootID"] != before
        assert testbed.boxes.hosts["n-0"].boots == boots + 1
        assert testbed.boxes.open == ["n-0"] and not testbed.status("n-1")
        work.cancel()
        await asyncio.wait({work})
        assert testbed.boxes.open == []

    story(tmp_path, scenario)


def test_remote_agent_yields_to_an_agent_pod_and_returns_after_it(
    tmp_path: Path,
) -> None:
    async def scenario(testbed: Environment) -> None:
        testbed.send(Upserted("east", BARE))
        assert not testbed.agents.wanted, "not before all pods are known"
        testbed.send(Upserted("east", POD), ClusterSynced("east"))
        work = asyncio.create_task(testbed.agents.run())
        assert not testbed.agents.wanted
        testbed.send(Upserted("east", replace(POD, phase="Failed")))
        await until(lambda: testbed.status().get("bootID"))
        testbed.send(Upserted("east", POD))
        await until(lambda: not testbed.boxes.open)
        testbed.send(Deleted("east", POD))
        await until(lambda: testbed.boxes.open)
        testbed.send(Upserted("east", replace(BARE, labels={})))
        await until(lambda: not testbed.boxes.open)
        testbed.send(Upserted("east", BARE))
        await until(lambda: testbed.boxes.open)
        testbed.send(Deleted("east", BARE))
        await until(lambda: not testbed.boxes.open)
        assert testbed.boxes.most == 1
        work.cancel()
        await asyncio.wait({work})

    story(tmp_path, scenario)


def test_unreachable_or_unknown_machine_is_waited_for(tmp_path: Path) -> None:
    async def scenario(testbed: Environment) -> None:
        testbed.boxes.hosts["n-0"].down = True
        testbed.send(Upserted("east", BARE), ClusterSynced("east"))
        work = asyncio.create_task(testbed.agents.run())
        await until(lambda: testbed.boxes.open)
        testbed.boxes.hosts["n-0"].down = False
        await until(lambda: testbed.status().get("bootID"))
        work.cancel()
        await asyncio.wait({work})

    story(tmp_path, scenario)


def test_agents_work_only_while_their_controller_leads(tmp_path: Path) -> None:
    async def scenario(testbed: Environment) -> None:
        testbed.send(Upserted("east", BARE), ClusterSynced("east"))
        kubeconfig = CredentialSource(tmp_path / "kubeconfig")
        mine = KubeCluster("east", kubeconfig, WallClock())
        journal = Store.open(tmp_path / "fleet.db").journal
        lease = ClusterLease(mine, "me", lambda holder: False, journal, testbed.agents)
        other = KubeCluster("east", kubeconfig, WallClock())
        assert (await other.lead("other", 30, lambda holder: False)).held
        assert not await lease.renew()
        assert testbed.boxes.open == []
        await other.resign("other")
        assert await lease.renew()
        await until(lambda: testbed.status().get("bootID"))
        await lease.resign()
        assert testbed.boxes.open == []
        await mine.close()
        await other.close()

    story(tmp_path, scenario)


def test_policy_of_a_home_selects_the_machines_of_its_controller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By name, as ssh would; an unknown name is reported."""

    async def run() -> None:
        async with ApiServer() as server:
            row = ClusterRow(
                name="east", kubeconfig=str(write_kubeconfig(tmp_path / "kubeconfig", server.url))
            )
            for name, pool in (("n-0.invalid", "bare"), ("n-1.invalid", "rest")):
                await server.put(NODES, {"metadata": {"name": name, "uid": name, "labels": {"pool": pool}}})
            (tmp_path / "fleet.yaml").write_text(
                "pools:\n- {name: bare, reach: ssh, selector: {matchLabels: {pool: bare}}}\n- {name: rest}\n"
            )
            pipeline = await source_of(Home(tmp_path), row).connect()
            assert pipeline.leader_work is not None

            async def caught_up() -> None:
                pass

            work = [
                asyncio.create_task(pipeline.feed(ClusterView("east"), lambda event: None, caught_up)),
                asyncio.create_task(pipeline.leader_work.run()),
            ]
            await until(lambda: "node n-0.invalid: " in caplog.text)
            assert "n-1.invalid" not in caplog.text
            for task in work:
                task.cancel()
            await asyncio.wait(work)
            await pipeline.cluster.close()

    asyncio.run(run())
