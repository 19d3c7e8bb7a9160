from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.core.records.errors import FleetError, ForbiddenError, UnreachableError
from fleet.kube.actions.lease import LeaseClient
from fleet.kube.cluster import KubeCluster
from fleet.system.clock import WallClock
from tests.kube_fake.server import ApiServer, Fault, Json
from tests.kube_fake.world import faked

LEASES = "/apis/coordination.k8s.io/v1/leases"
KEY = ("fleet-system", "fleet-controller")
ONE, TWO = "fleet@a/1/1", "fleet@b/2/2"


def alive(_: str) -> bool:
    return False


def scenario(tmp_path: Path, story: Callable[[ApiServer, KubeCluster], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30), faked(tmp_path) as (server, cluster):
            await story(server, cluster)

    asyncio.run(bounded())


def held_by(
    holder: str, seconds: int = 60, epoch: int = 3, renewed: str = "2026-01-01T00:00:00.000000Z"
) -> Json:
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "renewTime": renewed,
        "leaseTransitions": epoch,
    }
    return {"metadata": {"name": KEY[1], "namespace": KEY[0]}, "spec": spec}


def test_lease_is_created_renewed_and_released(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        assert (await cluster.lead(ONE, 15, alive)).epoch == 1
        assert (await cluster.lead(ONE, 15, alive)).epoch == 1
        lease = server.objects[LEASES][KEY]
        assert (lease["apiVersion"], lease["kind"]) == ("coordination.k8s.io/v1", "Lease")
        spec = lease["spec"]
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == (ONE, 15)
        assert spec["renewTime"] == "2026-11-02T01:00:00.000000Z"
        await cluster.resign(TWO)
        assert server.objects[LEASES][KEY]["spec"]["holderIdentity"] == ONE
        await cluster.resign(ONE)
        assert server.objects[LEASES][KEY]["spec"]["holderIdentity"] == ""
        found = await cluster.lead(TWO, 15, alive)
        assert (found.held, found.epoch) == (True, 2)

    scenario(tmp_path, story)


def test_holders_clock_does_not_matter(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        for renewed in ("1999-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"):
            await server.put(LEASES, held_by(TWO, renewed=renewed))
            found = await cluster.lead(ONE, 15, alive)
            assert (found.held, found.holder, found.epoch) == (False, TWO, 3)

    scenario(tmp_path, story)


def test_seen_renewal_restarts_the_wait(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for second in range(4):
            await server.put(LEASES, held_by(TWO, 1, renewed=f"2026-01-01T00:00:0{second}.000000Z"))
            assert not (await cluster.lead(ONE, 15, alive)).held
            await asyncio.sleep(0.4)
        last = loop.time() - 0.4
        while True:
            found = await cluster.lead(ONE, 15, alive)
            if found.held:
                break
            await asyncio.sleep(0.05)
        assert loop.time() - last >= 0.95
        assert loop.time() - began > 2
        assert found.epoch == 4

    scenario(tmp_path, story)


def test_expiry_counts_from_what_another_connection_has_seen(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        def connected() -> LeaseClient:
            return LeaseClient(cluster.transport, WallClock(), "east")

        await server.put(LEASES, held_by(TWO, 1))
        standby = connected()
        first = await standby.see()
        while True:
            sighting = await standby.see()
            assert sighting is not None and sighting == first
            if asyncio.get_running_loop().time() >= sighting.since + 1:
                break
            await asyncio.sleep(0.05)
        assert not (await connected().attempt(ONE, 15, alive)).held, "this one has not seen it before"
        assert server.objects[LEASES][KEY]["spec"]["holderIdentity"] == TWO
        later = connected()
        later.recall(sighting)
        assert (await later.attempt(ONE, 15, alive)).held
        await server.put(LEASES, held_by(TWO, 1, renewed="2026-01-01T00:00:09.000000Z"))
        renewed = connected()
        renewed.recall(sighting)
        assert not (await renewed.attempt(ONE, 15, alive)).held, "it was renewed since"

    scenario(tmp_path, story)


def test_overtaken_candidate_does_not_lead(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        async def taken() -> None:
            await server.put(LEASES, held_by(TWO))

        await server.put(LEASES, held_by("", seconds=1))
        conflict = {"code": 409, "reason": "Conflict", "message": "modified"}
        server.faults.append(Fault("PUT", KEY[1], 409, conflict, then=taken))
        found = await cluster.lead(ONE, 15, alive)
        assert (found.held, found.holder) == (False, TWO)

    scenario(tmp_path, story)


def test_concurrent_creation_has_one_holder(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        found = await asyncio.gather(*(cluster.lead(f"fleet@h/{n}/1", 60, alive) for n in range(8)))
        assert sum(each.held for each in found) == 1
        assert len({each.holder for each in found}) == 1

    scenario(tmp_path, story)


def test_unobtainable_lease_has_a_reason(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster) -> None:
        absent = {"code": 404, "reason": "NotFound", "message": 'namespaces "fleet-system" not found'}
        server.faults.append(Fault("POST", "/leases", 404, absent))
        with pytest.raises(FleetError, match="no namespace fleet-system") as caught:
            await cluster.lead(ONE, 15, alive)
        assert caught.value.hint == "fleet cluster install east"
        server.forbidden.add(("get", "leases"))
        with pytest.raises(ForbiddenError) as refused:
            await cluster.lead(ONE, 15, alive)
        assert '"coordination.k8s.io"' in refused.value.hint
        await server.stop()
        with pytest.raises(UnreachableError):
            await cluster.lead(ONE, 15, alive)

    scenario(tmp_path, story)
