"""A cluster's events while its API server lists, forgets, repeats itself, breaks connections and goes away."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.kube.cluster import KubeCluster
from fleet.kube.kinds.api_resources import KINDS
from fleet.kube.watch import listing
from fleet.kube.watch.informers import HEARD
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.world import QuickClock, faked, node, pod

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
MACHINES = "/apis/fleet.internal/v1/machines"


class EventLog:
    """All events of the cluster."""

    def __init__(self, cluster: KubeCluster) -> None:
        self.log: list[ClusterEvent] = []
        self._cluster = cluster
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        async for event in self._cluster.events():
            async with self._news:
                self.log.append(event)
                self._news.notify_all()

    async def wait_for(self, *wanted: str, after: int = 0) -> int:
        """Waits until each was reported after that position in the log; returns the position after the last of
        them."""
        places = []
        async with asyncio.timeout(10), self._news:
            for each in wanted:
                while each not in self.summaries[after:]:
                    await self._news.wait()
                places.append(after + self.summaries[after:].index(each) + 1)
        return max(places)

    @property
    def summaries(self) -> list[str]:
        return [_summary(event) for event in self.log]


def _summary(event: ClusterEvent) -> str:
    match event:
        case Upserted(_, thing):
            return f"seen {thing.name}"
        case Deleted(_, thing):
            return f"gone {thing.name}"
        case ClusterSynced():
            return "synced"
        case ClusterLost():
            return "lost"
    return "?"


@asynccontextmanager
async def watched(
    tmp_path: Path, clock: QuickClock | None = None
) -> AsyncIterator[tuple[ApiServer, KubeCluster, EventLog]]:
    """With nodes n-0001 and n-0002, and one pod."""
    async with faked(tmp_path, clock=clock) as (server, cluster):
        for name in ("n-0001", "n-0002"):
            await server.put(NODES, node(name))
        await server.put(PODS, pod("p-1"))
        events = EventLog(cluster)
        task = asyncio.create_task(events.listen())
        try:
            yield server, cluster, events
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(40):
            await story()

    asyncio.run(bounded())


def test_events_are_objects_then_synced_then_changes(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            assert sorted(events.summaries[: at - 1]) == ["seen n-0001", "seen n-0002", "seen p-1"]
            assert events.log[at - 1] == ClusterSynced("east", "v1.36.3")
            await server.put(NODES, node("n-0002", unschedulable=True))
            await server.drop(PODS, "p-1", "web")
            await events.wait_for("seen n-0002", "gone p-1", after=at)
            cordoned = next(event for event in events.log[at:] if _summary(event) == "seen n-0002")
            assert isinstance(cordoned, Upserted)
            assert cordoned.obj.unschedulable  # type: ignore[union-attr]

    run(story)


def test_oldest_of_several_api_servers_counts_until_it_is_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            asked = server.seen["GET /version"]
            server.versions = deque(["v1.37.0", "v1.36.3"])
            async with asyncio.timeout(10):
                while server.seen["GET /version"] < asked + 2 * HEARD:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            assert "synced" not in events.summaries[at:], "an upgrade has begun: nothing may rely on it yet"
            server.versions = deque(["v1.37.0"])
            at = await events.wait_for("synced", after=at)
            assert events.log[at - 1] == ClusterSynced("east", "v1.37.0") and "lost" not in events.summaries

    run(story)


def test_duplicate_event_is_reported_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            server.repeats = 2
            await server.put(NODES, node("n-0003"))
            await server.drop(NODES, "n-0001")
            await server.put(NODES, node("n-0004"))
            await events.wait_for("seen n-0004", after=at)
            assert events.summaries[at:] == ["seen n-0003", "gone n-0001", "seen n-0004"]

    run(story)


def test_endless_watch_event_makes_the_cluster_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            await events.wait_for("synced")
            for number in range(10):
                await server.put(PODS, pod(f"p-{number}"))
            await events.wait_for("lost")
            assert next(each.why for each in events.log if isinstance(each, ClusterLost)).startswith(
                "the server has more than 5 pods"
            )

    monkeypatch.setattr(listing, "OBJECTS", 5)
    run(story)


def test_change_of_fields_that_fleet_does_not_read_is_ignored(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            heartbeat = node("n-0001")
            heartbeat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-11-02T01:00:00Z"
            await server.put(NODES, heartbeat)
            await server.put(NODES, node("n-0003"))
            await events.wait_for("seen n-0003", after=at)
            assert events.summaries[at:] == ["seen n-0003"]

    run(story)


def test_broken_watch_resumes_where_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            lists = server.seen[f"GET {NODES}"]
            await server.bookmark(NODES)
            await server.break_watches()
            await server.put(NODES, node("n-0003"))
            await events.wait_for("seen n-0003", after=at)
            assert events.summaries[at:] == ["seen n-0003"]
            again = [path for _, path, _ in server.asked if path.startswith(f"{NODES}?limit")]
            assert len(again) == 1, "not listed again"
            assert server.seen[f"GET {NODES}"] > lists

    run(story)


def test_watch_resumes_after_a_bookmark(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            await server.put(PODS, pod("p-2"))
            await events.wait_for("seen p-2", after=at)
            await server.bookmark(NODES)
            marked = server.revision
            await server.put(NODES, node("n-0003"))
            await events.wait_for("seen n-0003", after=at)
            await server.break_watches()
            await server.put(NODES, node("n-0004"))
            await events.wait_for("seen n-0004", after=at)
            watches = [path for _, path, _ in server.asked if path.startswith(f"{NODES}?watch")]
            assert f"resourceVersion={marked + 1}" in watches[-1]

    run(story)


def test_objects_deleted_during_an_outage_are_reported_as_deleted(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            await server.forget()
            server.objects[NODES].pop(("", "n-0001"))
            await server.put(NODES, node("n-0003"))
            await server.forget()
            await events.wait_for("gone n-0001", "seen n-0003", after=at)
            await server.put(NODES, node("n-0004"))
            await events.wait_for("seen n-0004", after=at)
            assert sorted(events.summaries[at:]) == ["gone n-0001", "seen n-0003", "seen n-0004"]
            assert "lost" not in events.summaries

    run(story)


def test_each_kind_is_listed_once_and_watched_from_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            await events.wait_for("synced")
            before = server.revision
            async with asyncio.timeout(10):
                while any(len(_asked(server, kind.path)) < 2 for kind in KINDS):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            await server.put(NODES, node("n-0003"))
            await events.wait_for("seen n-0003")
            for kind in KINDS:
                asked = [parse_qs(path.partition("?")[2]) for path in _asked(server, kind.path)]
                assert ["watch" in query for query in asked] == [False, True], kind.resource
                assert asked[1]["resourceVersion"] == [str(before)]
                assert asked[1]["allowWatchBookmarks"] == ["true"]

    run(story)


def test_watch_refused_by_an_overloaded_server_waits_as_told_and_lists_nothing(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        clock = QuickClock()
        async with watched(tmp_path, clock) as (server, _, events):
            at = await events.wait_for("synced")
            server.faults.append(
                Fault("GET", "/nodes", 429, "Too many requests", {"Retry-After": "7"}, times=2, watch=True)
            )
            await server.break_watches()
            await server.put(NODES, node("n-0003"))
            await events.wait_for("seen n-0003", after=at)
            assert events.summaries[at:] == ["seen n-0003"], "an overload is no absence"
            lists = [path for path in _asked(server, NODES) if "watch" not in path]
            assert len(lists) == 1, "not listed again"
            assert clock.slept.count(7.0) == 2

    run(story)


def test_watch_that_stays_refused_makes_the_cluster_lost_until_it_is_accepted(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            server.faults.append(Fault("GET", "/nodes", 429, "Too many requests", times=6, watch=True))
            await server.break_watches()
            at = await events.wait_for("lost", after=at)
            lost = events.log[at - 1]
            assert isinstance(lost, ClusterLost)
            assert "answers 429: Too many requests" in lost.why
            await events.wait_for("synced", after=at)

    run(story)


def _asked(server: ApiServer, kind: str) -> list[str]:
    return [path for _, path, _ in server.asked if path.partition("?")[0] == kind]


def test_object_recreated_under_the_same_name_is_another_object(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            server.objects[PODS].pop(("web", "p-1"))
            await server.put(PODS, pod("p-1"))
            end = await events.wait_for("gone p-1", "seen p-1", after=at)
            assert events.summaries[at:end] == ["gone p-1", "seen p-1"]
            old, new = events.log[at], events.log[at + 1]
            assert isinstance(old, Deleted)
            assert isinstance(new, Upserted)
            assert old.obj.uid != new.obj.uid

    run(story)


def test_server_that_stops_and_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            await server.stop()
            at = await events.wait_for("lost", after=at)
            lost = events.log[at - 1]
            assert isinstance(lost, ClusterLost)
            assert "refused the connection" in lost.why or "closed the connection" in lost.why
            await server.drop(NODES, "n-0002")
            await server.put(NODES, node("n-0003"))
            await server.start()
            # A watch that had not yet retried goes on from where it was: what it tells comes after "synced".
            at = await events.wait_for("synced", "gone n-0002", "seen n-0003", after=at)
            reported = events.summaries[events.summaries.index("lost") : at]
            assert "seen n-0001" not in reported, "what has not changed is not reported again"

    run(story)


def test_silent_server_is_lost_though_no_connection_breaks(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            at = await events.wait_for("synced")
            server.silent = True
            at = await events.wait_for("lost", after=at)
            lost = events.log[at - 1]
            assert isinstance(lost, ClusterLost)
            assert "did not answer within" in lost.why
            server.silent = False
            await server.put(NODES, node("n-0003"))
            await events.wait_for("seen n-0003", after=at)

    run(story)


def test_cluster_without_the_machine_kind_has_no_machines(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.served.discard(MACHINES)
            events = EventLog(cluster)
            task = asyncio.create_task(events.listen())
            at = await events.wait_for("synced")
            assert set(cluster.missing) == {"machines"}
            assert "404" in cluster.missing["machines"]
            server.served.add(MACHINES)
            await server.put(MACHINES, {"metadata": {"name": "n-0001"}})
            await events.wait_for("seen n-0001", after=at)
            assert cluster.missing == {}
            server.served.discard(MACHINES)
            await server.break_watches()
            await events.wait_for("gone n-0001", after=at)
            assert "lost" not in events.summaries
            task.cancel()

    run(story)


def test_unreadable_kind_makes_the_cluster_unusable_unless_it_is_optional(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.forbidden |= {("list", "jobs"), ("list", "pods")}
            events = EventLog(cluster)
            task = asyncio.create_task(events.listen())
            at = await events.wait_for("lost")
            lost = events.log[at - 1]
            assert isinstance(lost, ClusterLost)
            assert "pods is forbidden" in lost.why
            server.forbidden.discard(("list", "pods"))
            await events.wait_for("synced", after=at)
            assert set(cluster.missing) == {"jobs"}
            task.cancel()

    run(story)


def test_retries_grow_rarer_in_the_same_way_each_time(tmp_path: Path) -> None:
    async def story() -> None:
        clock = QuickClock()
        async with faked(tmp_path, clock=clock) as (server, cluster):
            server.faults.append(Fault("GET", "/pods", 500, "no", times=6))
            events = EventLog(cluster)
            task = asyncio.create_task(events.listen())
            await events.wait_for("synced")
            slept = [each for each in clock.slept if each != 10.0]
            assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
            task.cancel()

    run(story)


def test_server_that_ends_every_watch_is_not_asked_in_a_tight_loop(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            ended = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
            server.faults.append(Fault("GET", "/pods", 200, ended, times=10**6, watch=True))
            events = EventLog(cluster)
            task = asyncio.create_task(events.listen())
            await events.wait_for("synced")
            await asyncio.sleep(0.3)
            assert server.seen[f"GET {PODS}"] < 100
            assert "lost" not in events.summaries
            task.cancel()

    run(story)


def test_closing_ends_the_events(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (_, cluster):
            events = EventLog(cluster)
            task = asyncio.create_task(events.listen())
            await events.wait_for("synced")
            await cluster.close()
            async with asyncio.timeout(5):
                await task

    run(story)
