"""An etcd that is restored under a running API server: what the server reports then, and that fleet notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.core.objects.node import Node
from fleet.core.records.errors import FleetError
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Upserted
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.kube.watch.informers import HealthCheck
from fleet.lab import Lab
from tests.cluster.rest import Cluster

NODES = "/api/v1/nodes"
SECONDS = 60.0
LOST = 400
"""Writes that the restore takes back. Only while the restored etcd has not come as far again are its API server's watches
silent, and the lab's own controllers write all the time."""


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - a real cluster's

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class EventLog:
    def __init__(self, fleets: KubeCluster) -> None:
        self.log: list[ClusterEvent] = []
        self._fleets = fleets
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        async with aclosing(self._fleets.events()) as events:
            async for event in events:
                async with self._news:
                    self.log.append(event)
                    self._news.notify_all()

    async def wait_for(self, wanted: Callable[[ClusterEvent], bool], after: int = 0) -> int:
        """The place after the first such event."""
        async with asyncio.timeout(SECONDS), self._news:
            while not any(map(wanted, self.log[after:])):
                await self._news.wait()
        return after + next(place for place, event in enumerate(self.log[after:], 1) if wanted(event))


def label(cluster: Cluster, name: str, value: str) -> str:
    """Changes a node; answers its resourceVersion."""
    patch = {"metadata": {"labels": {"change": value}}}
    return str(cluster.patch(f"{NODES}/{name}", patch)["metadata"]["resourceVersion"])


async def ready(cluster: Cluster) -> None:
    """It does not stop to say that all is well."""
    async with asyncio.timeout(SECONDS):
        while cluster.call("GET", "/readyz")[0] != 200:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.5)


def node_has_label(name: str, value: str) -> Callable[[ClusterEvent], bool]:
    def is_it(event: ClusterEvent) -> bool:
        node = event.obj if isinstance(event, Upserted) and isinstance(event.obj, Node) else None
        return node is not None and node.name == name and node.labels.get("change") == value

    return is_it


def test_restored_etcd_is_noticed_and_a_restart_of_the_api_server_fixes_it(
    fresh_lab: Lab, tmp_path: Path
) -> None:
    (name,) = fresh_lab.add_nodes(1)
    cluster = Cluster(fresh_lab.kubeconfig)

    async def story() -> None:
        fleets = KubeCluster(
            "lab", CredentialSource(fresh_lab.kubeconfig), RealClock(), HealthCheck(every=1.0)
        )
        event_log = EventLog(fleets)
        listening = asyncio.create_task(event_log.listen())
        try:
            label(cluster, name, "before")
            await event_log.wait_for(lambda event: isinstance(event, ClusterSynced))
            await asyncio.to_thread(fresh_lab.keep_etcd, tmp_path / "kept")
            for number in range(LOST):
                label(cluster, name, f"lost-{number}")
            last = f"lost-{LOST - 1}"
            at = await event_log.wait_for(node_has_label(name, last))
            await asyncio.to_thread(fresh_lab.restore_etcd, tmp_path / "kept")
            # What the server tells now, to those who only list: the state of before.
            listed = next(each for each in cluster.get(NODES)["items"] if each["metadata"]["name"] == name)
            stored = cluster.get(f"{NODES}/{name}")
            assert listed["metadata"]["labels"]["change"] == last
            assert stored["metadata"]["labels"]["change"] == "before"
            await ready(cluster)
            at = await event_log.wait_for(
                lambda event: isinstance(event, ClusterLost) and "restart all" in event.why, at
            )
            with pytest.raises(FleetError, match="its etcd holds it at"):
                await fleets.read("here", datetime.now(UTC))  # noqa: TID251
            await asyncio.to_thread(fresh_lab.stop_apiserver)
            await asyncio.to_thread(fresh_lab.start_apiserver)
            at = await event_log.wait_for(node_has_label(name, "before"), at)
            await event_log.wait_for(lambda event: isinstance(event, ClusterSynced), at)
        finally:
            await fleets.close()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    asyncio.run(story())
