"""A cluster's groups come among its events, before it counts as synced; and are read again right before a reboot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.workload import Workload
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule, SnapshotRule
from fleet.core.records.errors import FleetError
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, MoveLeader, Outcome, Reboot, Result, SaveSnapshot
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Deleted, Upserted
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.quorum_clients import QuorumClients
from fleet.drivers.quorum_monitor import QuorumMonitor
from fleet.lab.simulation.builders import NEW, START, a_group, a_node
from tests.golden import GoldenFiles

NODES = [a_node(f"m-{index}") for index in range(3)]
RULE = QuorumRule()


class Clock:
    """Stands still; whoever sleeps on it is woken by `tick`, when his time has passed."""

    def __init__(self) -> None:
        self.at = START
        self._ticks = asyncio.Event()
        self._asleep = 0.0

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self._ticks.clear()
        self._asleep = seconds
        await self._ticks.wait()

    def tick(self) -> None:
        self.at += timedelta(seconds=self._asleep)
        self._asleep = 0.0
        self._ticks.set()


class Plain:
    """A cluster without groups, and the engine's side of it."""

    name = "east"

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[ClusterEvent | None] = asyncio.Queue()
        self.done: list[AnyAction] = []
        self.view = ClusterView("east")
        self.came: asyncio.Queue[ClusterEvent] = asyncio.Queue()
        """What the engine gets."""

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        return {}

    async def events(self) -> AsyncIterator[ClusterEvent]:
        while (event := await self.inbox.get()) is not None:
            yield event

    async def perform(self, action: AnyAction) -> Outcome:
        self.done.append(action)
        return Outcome(action, Result.DONE)

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        return Leadership(True, identity, 1)

    async def see_lease(self) -> LeaseSighting | None:
        return None

    def recall(self, sighting: LeaseSighting) -> None:
        pass

    async def place(self) -> str:
        return ""

    async def resign(self, identity: str) -> None:
        pass

    async def close(self) -> None:
        self.inbox.put_nowait(None)

    def put(self, event: ClusterEvent) -> None:
        if isinstance(event, Upserted) and not isinstance(event.obj, Quorum):
            self.view.upsert(event.obj)
        self.came.put_nowait(event)

    async def caught_up(self) -> None:
        await asyncio.sleep(0)


class Fed(NamedTuple):
    """A pipeline whose events are being read."""

    plain: Plain
    clock: Clock
    pipeline: ClusterPipeline
    feeding: asyncio.Task[None]

    async def event(self) -> ClusterEvent:
        """The next that the engine gets. Raises what has ended the reading."""
        waiting = asyncio.ensure_future(self.plain.came.get())
        await asyncio.wait({waiting, self.feeding}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await self.feeding
        return await waiting

    async def event_as_time_passes(self) -> ClusterEvent:
        waiting = asyncio.create_task(self.event())
        while not waiting.done():
            self.clock.tick()
            await asyncio.sleep(0)
        return await waiting


@asynccontextmanager
async def fed(groups: QuorumClients) -> AsyncIterator[Fed]:
    plain, clock = Plain(), Clock()
    monitor = QuorumMonitor("east", groups, clock)
    pipeline = ClusterPipeline(plain, [monitor], [monitor])
    feeding = asyncio.create_task(pipeline.feed(plain.view, plain.put, plain.caught_up))
    await asyncio.sleep(0)
    try:
        yield Fed(plain, clock, pipeline, feeding)
    finally:
        await plain.close()
        await asyncio.wait({feeding})


class Etcd:
    """A group that carries out every action."""

    name = "etcd"
    rest = 5.0

    def __init__(self) -> None:
        self.state: Quorum | None = replace(a_group(NODES), read_at=START)
        self.views: list[tuple[str, ...]] = []
        """The nodes that the engine knew at each reading."""
        self.full = False

    async def read(self, view: ClusterView, now: datetime) -> Quorum | None:
        self.views.append(tuple(view.nodes))
        return self.state

    async def move_leader(self, to: str) -> str:
        assert self.state is not None
        members = tuple(replace(each, leader=each.name == to) for each in self.state.members)
        self.state = replace(self.state, members=members)
        return f"{to} leads"

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str:
        if self.full:
            raise FleetError("no space left on device")
        return f"{rule.directory}/x.db"

    async def defragment(self, member: str) -> str:
        return ""


def reboot(index: int) -> Reboot:
    ref = NodeRef("east", f"m-{index}")
    return Reboot(
        id="r/1",
        rollout="r",
        node=ref,
        uid="u",
        token="t",
        release=NEW,
        boot_id="b",
        quorums={"etcd": RULE},
    )


def test_groups_are_reported_before_the_cluster_is_synced_and_periodically() -> None:
    async def story() -> None:
        etcd = Etcd()
        async with fed(QuorumClients({"etcd": etcd})) as testbed:
            testbed.plain.inbox.put_nowait(Upserted("east", NODES[0]))
            testbed.plain.inbox.put_nowait(ClusterSynced("east"))
            assert await testbed.event() == Upserted("east", NODES[0])
            assert await testbed.event() == Upserted("east", etcd.state)  # type: ignore[arg-type]
            assert await testbed.event() == ClusterSynced("east")
            assert etcd.views == [("m-0",)], "read once the engine had observed what came before"
            before, etcd.state = etcd.state, None
            assert before is not None and await testbed.event_as_time_passes() == Deleted("east", before)

    asyncio.run(story())


def test_failing_reader_ends_the_events_with_its_error() -> None:
    class Bug(Etcd):
        async def read(self, view: ClusterView, now: datetime) -> Quorum | None:
            if self.views:
                raise KeyError("a bug")
            return await super().read(view, now)

    async def story() -> None:
        async with fed(QuorumClients({"etcd": Bug()})) as testbed:
            testbed.plain.inbox.put_nowait(ClusterSynced("east"))
            await testbed.event()
            assert await testbed.event() == ClusterSynced("east")
            with pytest.raises(KeyError, match="a bug"):
                await testbed.event_as_time_passes()

    asyncio.run(story())


def test_reboot_is_sent_only_if_the_group_can_spare_the_node_at_that_moment(golden: GoldenFiles) -> None:
    async def story() -> None:
        etcd = Etcd()
        async with fed(QuorumClients({"etcd": etcd})) as testbed:
            perform = testbed.pipeline.perform
            assert (await perform(reboot(1))).result is Result.DONE
            leads = await perform(reboot(0))
            assert leads.result is Result.STALE
            golden.check(leads.detail, "leader")
            assert etcd.state is not None
            down = replace(etcd.state.members[2], reachable=False)
            etcd.state = replace(etcd.state, members=(*etcd.state.members[:2], down))
            refused = await perform(reboot(1))
            assert refused.result is Result.STALE
            golden.check(refused.detail, "no-spare-voter")
            etcd.state = replace(a_group(NODES), read_at=START - timedelta(seconds=31))
            golden.check((await perform(reboot(1))).detail, "old-reading")
            etcd.state = None
            golden.check((await perform(reboot(1))).detail, "no-reading")
            assert len(testbed.plain.done) == 1

    asyncio.run(story())


def test_unknown_group_lets_no_node_go(golden: GoldenFiles) -> None:
    async def story() -> None:
        async with fed(QuorumClients({})) as testbed:
            answer = await testbed.pipeline.perform(reboot(1))
            assert answer.result is Result.STALE
            golden.check(answer.detail)
            assert testbed.plain.done == []

    asyncio.run(story())


def test_action_on_a_group_is_seen_at_once_and_its_refusal_is_an_outcome() -> None:
    async def story() -> None:
        etcd = Etcd()
        async with fed(QuorumClients({"etcd": etcd})) as testbed:
            testbed.plain.inbox.put_nowait(ClusterSynced("east"))
            assert isinstance(await testbed.event(), Upserted) and await testbed.event() == ClusterSynced(
                "east"
            )
            ref = NodeRef("east", "m-0")
            move = MoveLeader(id="r/1", rollout="r", node=ref, uid="u", group="etcd", to="m2")
            assert await testbed.pipeline.perform(move) == Outcome(move, Result.DONE, "m2 leads")
            reported = await testbed.event()
            assert isinstance(reported, Upserted) and isinstance(reported.obj, Quorum)
            assert reported.obj.leader is not None and reported.obj.leader.name == "m2"
            save = SaveSnapshot(
                id="r/2", rollout="r", node=ref, uid="u", group="etcd", rule=SnapshotRule("/backup")
            )
            assert (await testbed.pipeline.perform(save)).detail == "/backup/x.db"
            etcd.full = True
            full = Outcome(save, Result.FAILED, "no space left on device")
            assert await testbed.pipeline.perform(save) == full
            assert testbed.plain.done == []

    asyncio.run(story())


def a_workload(name: str, quorum: str | None) -> Workload:
    return Workload("StatefulSet", "data", name, f"u-{name}", quorum=quorum)


class Told(Etcd):
    """A group of one workload; its readings show what declares it."""

    def __init__(self, declared: QuorumGroup) -> None:
        super().__init__()
        self.name = declared.name
        self.state = replace(a_group(NODES, name=declared.name), read_at=START, unread=declared.wrong)


def some_groups() -> QuorumClients:
    def declares(workloads: Collection[Workload]) -> list[QuorumGroup]:
        return [QuorumGroup(each.name, "east", wrong=each.quorum or "") for each in workloads]

    return QuorumClients({}, declares, Told)


def test_groups_are_added_changed_and_deleted_with_their_workloads() -> None:
    groups = some_groups()
    assert not groups.see(Upserted("east", NODES[0]))
    assert not groups.see(Upserted("east", a_workload("other", None)))
    assert groups.see(Upserted("east", a_workload("zk", "first")))
    first = groups.get("zk")
    assert isinstance(first, Told)
    assert not groups.see(Upserted("east", replace(a_workload("zk", "first"), replicas=5)))
    assert groups.get("zk") is first, "what it knows is kept while its declaration stays"
    assert groups.see(Upserted("east", a_workload("zk", "second")))
    assert groups.get("zk") is not first and len(list(groups)) == 1
    assert groups.see(Upserted("east", a_workload("zk", None))) and not list(groups)
    assert groups.see(Upserted("east", a_workload("zk", "third")))
    assert groups.see(Deleted("east", a_workload("zk", "third"))) and not list(groups)


def test_group_declared_while_the_controller_runs_is_reported_at_once() -> None:
    async def story() -> None:
        async with fed(some_groups()) as testbed:
            testbed.plain.inbox.put_nowait(ClusterSynced("east"))
            assert await testbed.event() == ClusterSynced("east")
            written, gone = a_workload("zk", "a"), a_workload("zk", None)
            testbed.plain.inbox.put_nowait(Upserted("east", written))
            assert await testbed.event() == Upserted("east", written)
            reported = await testbed.event()
            assert (
                isinstance(reported, Upserted)
                and isinstance(reported.obj, Quorum)
                and reported.obj.name == "zk"
            )
            testbed.plain.inbox.put_nowait(Upserted("east", gone))
            assert await testbed.event() == Upserted("east", gone)
            assert await testbed.event() == Deleted("east", reported.obj)

    asyncio.run(story())


def test_node_does_not_reboot_for_a_group_unknown_at_the_decision(golden: GoldenFiles) -> None:
    async def story() -> None:
        async with fed(some_groups()) as testbed:
            decided = replace(reboot(1), quorums={})
            assert (await testbed.pipeline.perform(decided)).result is Result.DONE
            testbed.plain.inbox.put_nowait(Upserted("east", a_workload("zk", "a")))
            await testbed.event()
            outcome = await testbed.pipeline.perform(decided)
            assert outcome.result is Result.STALE
            golden.check(outcome.detail)
            assert testbed.plain.done == [decided]

    asyncio.run(story())
