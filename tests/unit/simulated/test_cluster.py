"""A simulated cluster as its driver sees it, and as another process finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.errors import FleetError, UnreachableError
from fleet.core.rollout.action import Cordon, Evict, Mark, Outcome, Result
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import SimulatedCluster, create, snapshot_of
from tests.unit.model.builder import QUICK, START, Builder


def nobody(_: str) -> bool:
    return False


def everybody(_: str) -> bool:
    return True


class Home:
    """A folder with the cluster `east`, and a clock that runs fast."""

    def __init__(self, folder: Path, unreachable: str = "") -> None:
        self.path = folder / "east.json"
        self.folder = folder
        builder = Builder(3).workload("shop", 3).budget("shop", max_unavailable=1)
        create(self.path, builder.model().snapshot(START), QUICK, 1, START, unreachable)

    @asynccontextmanager
    async def open(
        self, identity: str = "fleet@a/1/1", speed: float = 200.0
    ) -> AsyncIterator[SimulatedCluster]:
        clock = SimulatedClock(START, speed, self.folder / "clock.json")
        clock.run()
        cluster = SimulatedCluster(self.path, clock)
        if not cluster.unreachable:
            assert (await cluster.lead(identity, 15, nobody)).held
        try:
            yield cluster
        finally:
            await cluster.resign(identity)
            await cluster.close()

    def pods(self) -> list[Pod]:
        return list(snapshot_of(self.path).pods)


async def cordon(cluster: SimulatedCluster, node: str) -> Outcome:
    ref = NodeRef("east", node)
    return await cluster.perform(Cordon(id=f"cordon-{node}", rollout="r-1", node=ref, uid=f"uid-{node}"))


async def evict(cluster: SimulatedCluster, pod: Pod) -> Outcome:
    ident, node = f"evict-{pod.name}", NodeRef("east", pod.node)
    return await cluster.perform(
        Evict(id=ident, rollout="r-1", node=node, uid=f"uid-{pod.node}", pod=pod.ref, pod_uid=pod.uid)
    )


async def until(events: AsyncIterator[ClusterEvent], kind: type[ClusterEvent]) -> list[ClusterEvent]:
    """All events up to the first of the kind, which is the last of them."""
    found: list[ClusterEvent] = []
    async with asyncio.timeout(20):
        async for event in events:
            found.append(event)
            if isinstance(event, kind):
                return found
    raise AssertionError(f"the events ended without {kind}")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_events_are_objects_then_synced_then_changes(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            events = cluster.events()
            first = await until(events, ClusterSynced)
            assert len(first) == 3 + 3 + 3 + 1 + 2 + 1
            assert all(isinstance(event, Upserted) for event in first[:-1])

            assert (await evict(cluster, cluster.snapshot().pods[0])).result is Result.DONE
            changes = await until(events, Deleted)
            gone = changes[-1]
            assert isinstance(gone, Deleted) and isinstance(gone.obj, Pod)
            assert gone.obj.name == "shop-rs-0"

    asyncio.run(story())


def test_two_readers_both_get_all_events(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            one, two = cluster.events(), cluster.events()
            await until(one, ClusterSynced)
            await until(two, ClusterSynced)
            assert (await evict(cluster, cluster.snapshot().pods[0])).result is Result.DONE
            assert await until(one, Deleted) == await until(two, Deleted)

    asyncio.run(story())


def test_events_end_when_the_cluster_is_closed(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            reader = asyncio.ensure_future(collect(cluster))
            await asyncio.sleep(0)
            await cluster.close()
            assert isinstance((await asyncio.wait_for(reader, 10))[-1], ClusterSynced)

    async def collect(cluster: SimulatedCluster) -> list[ClusterEvent]:
        return [event async for event in cluster.events()]

    asyncio.run(story())


def test_killed_process_loses_nothing_that_was_acknowledged(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            assert (await cordon(cluster, "n-1")).result is Result.DONE
            # No time for a save: what follows is what a process killed here leaves behind.
            assert [node.unschedulable for node in snapshot_of(home.path).nodes] == [True, False, False]

    asyncio.run(story())


def test_torn_line_is_no_action(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            await cordon(cluster, "n-1")
            acts = home.path.with_suffix(".actions")
            acts.write_bytes(acts.read_bytes() + b'{"number": 2, "at": 1')
            assert [node.unschedulable for node in snapshot_of(home.path).nodes] == [True, False, False]
            other = SimulatedCluster(home.path, SimulatedClock(START, 200.0))
            assert (await other.lead("fleet@a/2/2", 15, everybody)).held
            assert (await cordon(other, "n-2")).result is Result.DONE
            assert [node.unschedulable for node in snapshot_of(home.path).nodes] == [True, True, False]

    asyncio.run(story())


def test_running_work_continues_after_a_restart(home: Home) -> None:
    async def story() -> None:
        async with home.open(speed=1.0) as cluster:
            assert (await evict(cluster, cluster.snapshot().pods[0])).result is Result.DONE
        assert any(pod.deleting for pod in home.pods())
        async with home.open("fleet@a/2/2", speed=40.0) as cluster:
            await until(cluster.events(), Deleted)
            assert not any(pod.deleting for pod in cluster.snapshot().pods)

    asyncio.run(story())


def test_clock_is_never_behind_past_events(home: Home) -> None:
    async def story() -> None:
        async with home.open(speed=100_000) as cluster:
            await asyncio.sleep(0.05)
            await cordon(cluster, "n-1")
        late = SimulatedClock(START)
        SimulatedCluster(home.path, late)
        assert late.now() >= START + timedelta(seconds=5000)

    asyncio.run(story())


def test_unreachable_cluster_has_its_reason_and_does_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path, "connection refused")

    async def story() -> None:
        async with home.open() as cluster:
            assert await until(cluster.events(), ClusterLost) == [ClusterLost("east", "connection refused")]
            outcome = await cordon(cluster, "n-1")
            assert (outcome.result, outcome.detail) == (Result.UNKNOWN, "connection refused")
            with pytest.raises(UnreachableError):
                await cluster.lead("fleet@a/1/1", 15, nobody)
            with pytest.raises(UnreachableError):
                cluster.snapshot()

    asyncio.run(story())
    with pytest.raises(UnreachableError):
        snapshot_of(home.path)


def test_outage_ends_with_the_differences_and_synced(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            events = cluster.events()
            await until(events, ClusterSynced)
            cluster.reach("timed out")
            assert await until(events, ClusterLost) == [ClusterLost("east", "timed out")]
            cluster.stranger.delete_node("n-3")
            cluster.touch()
            cluster.reach("")
            missed = await until(events, ClusterSynced)
            assert any(isinstance(event, Deleted) and event.obj.name == "n-3" for event in missed)

    asyncio.run(story())


def test_one_process_leads_and_the_next_one_finds_its_work(home: Home) -> None:
    async def story() -> None:
        async with home.open() as first:
            other = SimulatedCluster(home.path, SimulatedClock(START, 200.0))
            refused = await other.lead("fleet@a/2/2", 15, nobody)
            assert (refused.held, refused.holder, refused.epoch) == (False, "fleet@a/1/1", 1)
            await cordon(first, "n-1")

            taken = await other.lead("fleet@a/2/2", 15, everybody)
            assert (taken.held, taken.epoch) == (True, 2)
            assert other.snapshot().nodes[0].cordoned_by == "r-1"
            assert not (await first.lead("fleet@a/1/1", 15, nobody)).held
            await other.close()

    asyncio.run(story())


def test_unrenewed_lease_expires_by_the_watchers_own_clock(home: Home) -> None:
    async def story() -> None:
        async with home.open() as first:
            await first.lead("fleet@a/1/1", 0, nobody)
            other = SimulatedCluster(home.path, SimulatedClock(START, 200.0))
            assert (await other.lead("fleet@a/2/2", 15, nobody)).held

    asyncio.run(story())


def test_released_lease_is_free_at_once(home: Home) -> None:
    async def story() -> None:
        async with home.open():
            pass
        async with home.open("fleet@a/2/2") as cluster:
            assert (await cluster.lead("fleet@a/2/2", 15, nobody)).epoch == 2

    asyncio.run(story())


def test_missing_and_damaged_files_are_reported(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(FleetError, match="is not there"):
        snapshot_of(tmp_path / "west.json")
    home.path.write_bytes(home.path.read_bytes()[:-100])
    with pytest.raises(FleetError, match="is damaged"):
        snapshot_of(home.path)
    home = Home(tmp_path)
    home.path.write_bytes(home.path.read_bytes().replace(b'"format":1,', b'"format":99,', 1))
    with pytest.raises(FleetError, match="is of format 99"):
        snapshot_of(home.path)


def test_every_pod_keeps_its_name_and_place_in_the_file(home: Home) -> None:
    expected = [replace(pod, resource_version="") for pod in Builder(3).workload("shop", 3).snapshot().pods]

    assert [replace(pod, resource_version="") for pod in home.pods()] == expected


def test_actions_are_stored_completely(home: Home) -> None:
    async def story() -> None:
        async with home.open() as cluster:
            for number in range(300):
                node = f"n-{number % 3 + 1}"
                mark = Mark(
                    id=str(number), rollout=f"r-{number}", node=NodeRef("east", node), uid=f"uid-{node}"
                )
                assert (await cluster.perform(mark)).result is Result.DONE
        rollouts = [node.annotations["fleet.internal/rollout"] for node in snapshot_of(home.path).nodes]
        assert rollouts == ["r-297", "r-298", "r-299"]
        assert PodRef("web", "shop-rs-0") in {pod.ref for pod in home.pods()}

    asyncio.run(story())
