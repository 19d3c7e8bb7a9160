"""The watch loop by itself: its pauses, its selector, a resource that is not served, and writes that meet conflicts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from fleet.core.objects.node import Node
from fleet.core.rollout.event import ApiObject
from fleet.kube.actions.machine_client import PATH, MachineInformer
from fleet.kube.client.retry import CONFLICT_TRIES, Backoff, random_jitter, retry_on_conflict
from fleet.kube.cluster import KubeCluster
from fleet.kube.kinds.api_resources import NODES
from fleet.kube.objects.errors import ConflictError
from fleet.kube.watch.reflector import Reflector
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.world import QuickClock, faked, node


class Names:
    """A store that keeps names, and wakes whoever waits for a change."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.lists = 0
        self.changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def replace(self, objects: Sequence[ApiObject]) -> None:
        self.there = {each.name for each in objects}
        self.lists += 1
        self._notify()

    def upsert(self, found: ApiObject) -> None:
        self.there.add(found.name)
        self._notify()

    def delete(self, found: ApiObject) -> None:
        self.there.discard(found.name)
        self._notify()

    async def wait(self, *names: str) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.there == set(names))

    def _notify(self) -> None:
        async def notify() -> None:
            async with self.changed:
                self.changed.notify_all()

        task = asyncio.create_task(notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


Scenario = Callable[[ApiServer, KubeCluster, QuickClock, Names], Awaitable[None]]


def scenario(tmp_path: Path, story: Scenario, jitter: float = 1.0, fields: str = "") -> None:
    async def run_scenario() -> None:
        clock, names = QuickClock(), Names()
        async with asyncio.timeout(30), faked(tmp_path, clock=clock) as (server, cluster):
            await server.put(NODES.path, node("n-1"))
            reflector: Reflector[Node] = Reflector(
                cluster.transport,
                NODES,
                clock,
                names,
                lambda: None,
                fields=fields,
                backoff=Backoff(1.0, 4.0),
                jitter=lambda: jitter,
            )
            task = asyncio.create_task(reflector.run())
            try:
                await story(server, cluster, clock, names)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run_scenario())


def test_backoff_grows_to_a_limit_with_injected_jitter(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster, clock: QuickClock, names: Names) -> None:
        server.faults.append(Fault("GET", "/nodes", 500, "no", times=4))
        await names.wait("n-1")
        assert clock.slept == [1.25, 2.5, 5.0, 5.0]

    scenario(tmp_path, story, jitter=1.25)


def test_broken_watch_resumes_after_a_jittered_pause_without_a_list(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster, clock: QuickClock, names: Names) -> None:
        await names.wait("n-1")
        await server.put(NODES.path, node("n-2"))
        await names.wait("n-1", "n-2")
        await server.break_watches()
        await server.put(NODES.path, node("n-3"))
        await names.wait("n-1", "n-2", "n-3")
        assert set(clock.slept) <= {1.5} and names.lists == 1

    scenario(tmp_path, story, jitter=1.5)


def test_field_selector_applies_to_the_list_and_the_watch(tmp_path: Path) -> None:
    async def story(server: ApiServer, cluster: KubeCluster, clock: QuickClock, names: Names) -> None:
        await names.wait("n-1")
        while len(server.asked) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        asked = [parse_qs(path.partition("?")[2]) for _, path, _ in server.asked]
        assert [("watch" in query, query["fieldSelector"]) for query in asked] == [
            (False, ["metadata.name=n-1"]),
            (True, ["metadata.name=n-1"]),
        ]

    scenario(tmp_path, story, fields="metadata.name=n-1")


def test_jitter_of_clients_differs_within_half_of_the_pause() -> None:
    factors = {random_jitter() for _ in range(100)}
    assert len(factors) > 50 and all(0.5 <= factor <= 1.5 for factor in factors)


def test_agent_creates_no_machine_while_the_cluster_lacks_the_kind(tmp_path: Path) -> None:
    async def run_scenario() -> None:
        clock = QuickClock()
        async with asyncio.timeout(20), faked(tmp_path, clock=clock) as (server, cluster):
            server.served.discard(PATH)
            machines = MachineInformer(cluster.transport, clock, "n-1", jitter=lambda: 1.0)
            following = asyncio.create_task(machines.run())
            watch = machines.client("n-1").watch()
            waiting = asyncio.ensure_future(anext(watch))
            while server.seen[f"GET {PATH}"] < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            assert not waiting.done() and server.seen[f"POST {PATH}"] == 0
            server.served.add(PATH)
            assert (await waiting).name == "n-1"
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run_scenario())


def test_conflicting_write_is_retried_and_given_up_after_a_while() -> None:
    tries = 0

    async def attempt() -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConflictError("it was changed")
        return tries

    assert asyncio.run(retry_on_conflict(attempt)) == 3
    tries = -1000
    with pytest.raises(ConflictError, match="it was changed"):
        asyncio.run(retry_on_conflict(attempt))
    assert tries == -1000 + CONFLICT_TRIES
