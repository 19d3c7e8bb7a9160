"""A user asks for a machine's log through its Machine; its agent is simulated here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.core.objects.machine import LogAsk
from fleet.core.records.errors import FleetError, UnreachableError
from fleet.kube.cluster import KubeCluster
from tests.kube_fake.server import ApiServer, Fault, Json
from tests.kube_fake.world import faked

MACHINES = "/apis/fleet.internal/v1/machines"
ASK = LogAsk("log/7:ab", "kubelet.service", 20)
CONFLICT = {"code": 409, "reason": "Conflict", "message": "the object has been modified"}


def scenario(tmp_path: Path, story: Callable[[ApiServer, KubeCluster], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30), faked(tmp_path) as (server, cluster):
            await story(server, cluster)

    asyncio.run(bounded())


def machine(**spec: object) -> Json:
    return {"metadata": {"name": "n-1"}, "spec": spec, "status": {"os": "simulated"}}


async def asked(server: ApiServer) -> Json:
    """The Machine, once it has been asked for a log."""
    while "log" not in (found := server.objects[MACHINES]["", "n-1"]).get("spec", {}):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    return found


async def answer(server: ApiServer, **reported: str) -> None:
    found = await asked(server)
    await server.put(
        MACHINES, {**found, "status": {"log": {"token": found["spec"]["log"]["token"], **reported}}}
    )


def test_log_request_is_beside_the_controllers_request_and_removed_with_the_answer(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        await server.put(MACHINES, machine(action="stage", token="t-1"))
        looking = asyncio.create_task(cluster.log("n-1", ASK, 20))
        found = await asked(server)
        assert found["spec"]["log"] == {"token": "log/7:ab", "unit": "kubelet.service", "lines": 20}
        assert found["spec"]["token"] == "t-1"
        server.faults.append(Fault("PATCH", "n-1", 409, CONFLICT))
        await answer(server, text="kubelet: out of memory\n")
        assert await looking == "kubelet: out of memory\n"
        assert server.objects[MACHINES]["", "n-1"]["spec"] == {"action": "stage", "token": "t-1"}

    scenario(tmp_path, story)


def test_agent_without_a_log_reports_why(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        await server.put(MACHINES, machine())
        answering = asyncio.create_task(answer(server, error="the journal has no earlier boot"))
        with pytest.raises(FleetError, match="n-1: the journal has no earlier boot"):
            await cluster.log("n-1", ASK, 20)
        await answering

    scenario(tmp_path, story)


def test_silent_agent_times_out_and_nothing_is_left(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        await server.put(MACHINES, machine())
        with pytest.raises(UnreachableError, match="the agent of n-1 has not answered") as refused:
            await cluster.log("n-1", ASK, 0.2)
        assert "get pods" in refused.value.hint and "fleet cluster install" in refused.value.hint
        assert server.objects[MACHINES]["", "n-1"]["spec"] == {}

    scenario(tmp_path, story)


def test_concurrent_requests_do_not_remove_each_other(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        await server.put(MACHINES, machine())
        looking = asyncio.create_task(cluster.log("n-1", ASK, 20))
        await asked(server)
        other = {"token": "log/8:cd", "lines": 100}
        await server.put(MACHINES, machine(log=other))
        with pytest.raises(FleetError, match="another user is reading a log of n-1"):
            await looking
        assert server.objects[MACHINES]["", "n-1"]["spec"] == {"log": other}

    scenario(tmp_path, story)


def test_machine_that_never_had_an_agent_is_reported(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        with pytest.raises(FleetError, match="there is no Machine n-1"):
            await cluster.log("n-1", ASK, 20)

    scenario(tmp_path, story)
