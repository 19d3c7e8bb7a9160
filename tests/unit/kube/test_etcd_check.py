"""An etcd that was restored under a running API server: its lists and watches have the old state, its GETs the true
one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleet.core.records.errors import FleetError
from fleet.core.rollout.event import ClusterLost
from tests.kube_fake.server import ApiServer
from tests.kube_fake.world import NOW, node, pod
from tests.unit.kube.test_watch import NODES, PODS, run, watched

LIVELY: list[Any] = [node, pod]


async def change(server: ApiServer, what: Any, times: int = 1) -> None:
    """A node or a pod that exists is changed."""
    for count in range(times):
        thing = what("n-0001") if what is node else what("p-1")
        thing["metadata"]["labels"] = {"change": f"{server.revision}-{count}"}
        await server.put(NODES if what is node else PODS, thing)


@pytest.mark.parametrize("what", LIVELY)
def test_lists_ahead_of_etcd_stop_all_work_until_the_server_has_read_etcd_again(
    tmp_path: Path, what: Any
) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            kept = server.keep()
            await change(server, what, 3)
            at = await events.wait_for("seen n-0001" if what is node else "seen p-1", after=at)
            server.restore(kept)
            at = await events.wait_for("lost", after=at)
            [lost] = [event for event in events.log if isinstance(event, ClusterLost)]
            assert "its etcd holds it at" in lost.why and "restart all of them" in lost.why
            # It does not pass by itself, whatever is written meanwhile.
            await change(server, what)
            looks = server.seen["GET /version"]
            async with asyncio.timeout(10):
                while server.seen["GET /version"] < looks + 4:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            assert "synced" not in events.summaries[at:]
            await server.restart()
            await events.wait_for("synced", after=at)

    run(story)


def test_object_that_etcd_does_not_hold_is_noticed(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            kept = server.keep()
            await server.put(PODS, pod("p-2"))
            at = await events.wait_for("seen p-2", after=at)
            server.restore(kept)
            at = await events.wait_for("lost", after=at)
            [lost] = [event for event in events.log if isinstance(event, ClusterLost)]
            assert "Pod p-2 is in its lists but not in its etcd" in lost.why

    run(story)


def test_change_missing_from_the_lists_of_a_restored_server_is_noticed(tmp_path: Path) -> None:
    """Nothing was lost by the restore but revisions: what is written after it is in no list and in no watch."""

    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            await events.wait_for("synced")
            kept = server.keep()
            server.revision += 100
            server.restore(kept)
            await change(server, node)
            await events.wait_for("lost")

    run(story)


def test_server_restarted_before_the_check_is_listed_again(tmp_path: Path) -> None:
    """Its watches from a future revision are silent; its lists have the true state."""

    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            kept = server.keep()
            await server.put(PODS, pod("p-2"))
            at = await events.wait_for("seen p-2", after=at)
            server.restore(kept)
            await server.restart()
            await events.wait_for("gone p-2", after=at)
            assert "lost" not in events.summaries

    run(story)


def test_objects_that_change_all_the_time_are_no_contradiction(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            await events.wait_for("synced")
            looks = server.seen["GET /version"]
            while server.seen["GET /version"] < looks + 5:
                await change(server, node)
                await server.put(PODS, pod("p-2"))
                await server.drop(PODS, "p-2", "web")
                await asyncio.sleep(0)
            assert "lost" not in events.summaries
            whole = [path for _, path, _ in server.asked if path == f"{NODES}?limit=1000"]
            assert len(whole) == 1, "not listed again"

    run(story)


def test_snapshot_for_a_plan_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, cluster, _):
            kept = server.keep()
            await change(server, node)
            assert (await cluster.read("fra", NOW)).snapshot.nodes
            server.restore(kept)
            with pytest.raises(FleetError, match="its etcd holds it at"):
                await cluster.read("fra", NOW)

    run(story)
