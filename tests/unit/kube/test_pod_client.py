"""What runs in a pod is asked through the API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.quorum.groups import GroupMembers, QuorumGroup
from fleet.core.quorum.presets import PRESETS
from fleet.core.quorum.probe import ExecProbe, HttpProbe
from fleet.core.quorum.quorum import healthy
from fleet.core.records.errors import FleetError, ForbiddenError, UnreachableError
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.pod_client import PodClient
from fleet.kube.cluster import KubeCluster
from fleet.quorums.pods import PodGroup
from tests.kube_fake.pods import PodServer
from tests.kube_fake.server import Fault
from tests.kube_fake.world import NOW, QuickClock, faked, write_kubeconfig
from tests.unit.quorums.recorded import KAFKA_HEALTHY, zookeeper

PASSWORD = 's3cret"pass'
ZK = PodRef("data", "zk-0")
STATS = "/commands/server_stats"


@asynccontextmanager
async def asking(tmp_path: Path, server: PodServer, seconds: float = 5.0) -> AsyncIterator[PodClient]:
    cluster = KubeCluster(
        "east", CredentialSource(write_kubeconfig(tmp_path / "kc", server.url)), QuickClock()
    )
    try:
        yield PodClient(cluster.transport, seconds)
    finally:
        await cluster.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(bounded())


def test_page_of_a_pod(tmp_path: Path) -> None:
    async def story() -> None:
        pages = {"/health?ready=1": (200, "well"), "/v1": (429, "not all are"), "/no": (503, "not leading")}
        async with PodServer(pages, {}) as server, asking(tmp_path, server) as asks:
            assert await asks.ask(ZK, HttpProbe(8080, "/health?ready=1")) == b"well"
            assert await asks.ask(ZK, HttpProbe(8443, "/v1", "https", also=(429,))) == b"not all are"
            for path in ("/v1", "/no", "/nothing"):
                with pytest.raises(FleetError):
                    await asks.ask(ZK, HttpProbe(8080, path))
            assert server.asked[:2] == [
                "/api/v1/namespaces/data/pods/zk-0:8080/proxy/health?ready=1",
                "/api/v1/namespaces/data/pods/https:zk-0:8443/proxy/v1",
            ]

    run(story)


def test_command_in_a_pod(tmp_path: Path) -> None:
    async def story() -> None:
        commands = {"own state": (0, "role leader"), "own fail": (3, "half"), "own die": (-1, "half")}
        async with PodServer({}, commands) as server, asking(tmp_path, server) as asks:
            assert await asks.ask(ZK, ExecProbe(("own", "state"), "main")) == b"role leader"
            assert "container=main" in server.asked[0]
            with pytest.raises(
                FleetError, match="own in data/zk-0: command terminated with exit code 3: a warning"
            ):
                await asks.ask(ZK, ExecProbe(("own", "fail")))
            with pytest.raises(FleetError, match="own in data/zk-0 was interrupted"):
                await asks.ask(ZK, ExecProbe(("own", "die")))
            with pytest.raises(ForbiddenError):
                await asks.ask(ZK, ExecProbe(("rm",)))

    run(story)


def test_redirect_of_a_command_is_not_followed(tmp_path: Path) -> None:
    async def story() -> None:
        other = tmp_path / "other"
        other.mkdir()
        async with faked(tmp_path) as (server, cluster), faked(other) as (elsewhere, _):
            there = {"Location": f"{elsewhere.url}/latest/meta-data"}
            server.faults.append(Fault("GET", "/exec", 307, "gone there", headers=there))
            with pytest.raises(UnreachableError, match="answers 307"):
                await PodClient(cluster.transport).ask(ZK, ExecProbe(("own", "state")))
            assert len(server.asked) == 1
            assert not elsewhere.asked

    run(story)


def test_failed_command_is_reported_briefly_and_without_our_password(tmp_path: Path) -> None:
    async def story() -> None:
        async with PodServer({}, {"own state": (3, "")}) as server:
            server.failure = f'"{PASSWORD}" {{code}}' + " and so on" * 100
            server.complaint = f"{PASSWORD}\x1b[2K\n{PASSWORD}"
            named = server.url.replace("//", f"//ada:{quote(PASSWORD)}@")
            cluster = KubeCluster(
                "east", CredentialSource(write_kubeconfig(tmp_path / "kc", named)), QuickClock()
            )
            with pytest.raises(FleetError) as failed:
                await PodClient(cluster.transport).ask(ZK, ExecProbe(("own", "state")))
            await cluster.close()
            assert '"***" 3 and so on' in failed.value.message
            assert failed.value.message.isprintable() and len(failed.value.message) < 500
            assert PASSWORD not in failed.value.message

    run(story)


def a_pod(name: str, node: str) -> Pod:
    return Pod("data", name, f"uid-{name}", node, {"app": "db"})


def test_group_is_read_from_its_cluster_and_its_pods(tmp_path: Path) -> None:
    async def story() -> None:
        of = QuorumGroup(
            "zk",
            "east",
            "zookeeper",
            members=GroupMembers("data", Selector({"app": "db"}), 3, PRESETS["zookeeper"]),
        )
        pages = {STATS: (200, zookeeper("follower", 5).decode())}
        async with PodServer(pages, {}) as server, asking(tmp_path, server) as asks:
            group, view = PodGroup(of, "fra", asks), ClusterView("east")
            for number in range(3):
                view.upsert(Node(f"n-{number}", f"u-{number}"))
                view.upsert(a_pod(f"zk-{number}", f"n-{number}"))
            view.upsert(Pod("other", "zk-9", "9", "n-1", {"app": "db"}))
            found = await group.read(view, NOW)
            assert [member.node for member in healthy(found, of.rule)] == [
                NodeRef("east", f"n-{number}") for number in range(3)
            ]
            view.delete(a_pod("zk-2", "n-2"))
            found = await group.read(view, NOW)
            assert (len(found.voters), len(healthy(found, of.rule))) == (3, 2)
            with pytest.raises(FleetError, match="cannot be moved"):
                await group.move_leader("zk-1")

    run(story)


def test_kafka_is_asked_by_command(tmp_path: Path) -> None:
    async def story() -> None:
        of = QuorumGroup(
            "k", "east", "kafka", members=GroupMembers("data", Selector(), None, PRESETS["kafka"])
        )
        probe = PRESETS["kafka"].ask
        assert isinstance(probe, ExecProbe)
        commands = {" ".join(probe.command): (0, KAFKA_HEALTHY.decode())}
        async with PodServer({}, commands) as server, asking(tmp_path, server) as asks:
            group, view = PodGroup(of, "fra", asks), ClusterView("east")
            for number in (0, 1, 2, 7):
                view.upsert(a_pod(f"kafka-{number}", f"n-{number}"))
            found = await group.read(view, NOW)
            assert found.leader is not None
            assert found.leader.name == "kafka-0"
            assert len(server.asked) == 1

    run(story)


def test_silent_pod_times_out(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The writer is kept: Python 3.13 closes one that nobody has.
        await asyncio.Event().wait()

    async def story() -> None:
        quiet = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = quiet.sockets[0].getsockname()[1]
        path = write_kubeconfig(tmp_path / "kc", f"http://127.0.0.1:{port}")
        cluster = KubeCluster("east", CredentialSource(path), QuickClock())
        asks = PodClient(cluster.transport, 0.3)
        for how in (HttpProbe(1, "/"), ExecProbe(("x",))):
            with pytest.raises(FleetError, match="did not answer within"):
                await asks.ask(ZK, how)
        await cluster.close()
        quiet.close()

    run(story)
