"""A cluster's groups come among its events, before it counts as synced; and are read again right before a reboot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.objects.workload import Workload
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule, SnapshotRule
from fleet.core.records.errors import FleetError
from fleet.core.records.leadership import Leadership
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, MoveLeader, Outcome, Reboot, Result, SaveSnapshot
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Deleted, Upserted
from fleet.drivers.groups import QuorumClients
from fleet.drivers.quorums import ClusterWithQuorums
from fleet.lab.simulation.builders import NEW, START, a_group, a_node

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
    """A cluster without groups."""

    name = "east"

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[ClusterEvent | None] = asyncio.Queue()
        self.done: list[AnyAction] = []

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

    async def place(self) -> str:
        return ""

    async def resign(self, identity: str) -> None:
        pass

    async def close(self) -> None:
        self.inbox.put_nowait(None)


class Etcd:
    """A group that does what it is told."""

    name = "etcd"
    rest = 5.0

    def __init__(self) -> None:
        self.state: Quorum | None = replace(a_group(NODES), read_at=START)
        self.heard: list[ClusterEvent] = []
        self.full = False

    def see(self, event: ClusterEvent) -> None:
        self.heard.append(event)

    async def read(self, now: datetime) -> Quorum | None:
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


def a_bed() -> tuple[Plain, Etcd, Clock, ClusterWithQuorums]:
    plain, etcd, clock = Plain(), Etcd(), Clock()
    return plain, etcd, clock, ClusterWithQuorums(plain, QuorumClients({"etcd": etcd}), clock)


def test_groups_are_told_before_the_cluster_is_synced_and_again_as_time_passes() -> None:
    async def story() -> None:
        plain, etcd, clock, cluster = a_bed()
        plain.inbox.put_nowait(Upserted("east", NODES[0]))
        plain.inbox.put_nowait(ClusterSynced("east"))
        events = cluster.events()
        assert await anext(events) == Upserted("east", NODES[0])
        assert await anext(events) == Upserted("east", etcd.state)  # type: ignore[arg-type]
        assert await anext(events) == ClusterSynced("east")
        assert etcd.heard == [Upserted("east", NODES[0]), ClusterSynced("east")]
        before, etcd.state = etcd.state, None
        waiting = asyncio.create_task(anext(events))
        while not waiting.done():
            clock.tick()
            await asyncio.sleep(0)
        assert before is not None and waiting.result() == Deleted("east", before)
        await cluster.close()
        await events.aclose()

    asyncio.run(story())


def test_a_reader_that_breaks_ends_the_events_with_its_error() -> None:
    class Bug(Etcd):
        reads = 0

        async def read(self, now: datetime) -> Quorum | None:
            self.reads += 1
            if self.reads > 1:
                raise KeyError("a bug")
            return self.state

    async def story() -> None:
        plain, clock = Plain(), Clock()
        events = ClusterWithQuorums(plain, QuorumClients({"etcd": Bug()}), clock).events()
        plain.inbox.put_nowait(ClusterSynced("east"))
        await anext(events)
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        while not waiting.done():
            clock.tick()
            await asyncio.sleep(0)
        with pytest.raises(KeyError, match="a bug"):
            waiting.result()

    asyncio.run(story())


def test_a_reboot_is_sent_only_if_the_group_can_spare_the_node_in_that_moment() -> None:
    async def story() -> None:
        plain, etcd, _, cluster = a_bed()
        assert (await cluster.perform(reboot(1))).result is Result.DONE
        leads = await cluster.perform(reboot(0))
        assert (leads.result, leads.detail) == (Result.STALE, "a member on m-0 leads etcd")
        assert etcd.state is not None
        down = replace(etcd.state.members[2], reachable=False)
        etcd.state = replace(etcd.state, members=(*etcd.state.members[:2], down))
        refused = await cluster.perform(reboot(1))
        assert refused.result is Result.STALE and "m2 does not answer" in refused.detail
        etcd.state = replace(a_group(NODES), read_at=START - timedelta(seconds=31))
        assert "could not be read in time" in (await cluster.perform(reboot(1))).detail
        etcd.state = None
        assert "could not be read in time" in (await cluster.perform(reboot(1))).detail
        assert len(plain.done) == 1

    asyncio.run(story())


def test_a_group_that_this_controller_does_not_know_lets_nothing_go() -> None:
    plain = Plain()
    cluster = ClusterWithQuorums(plain, QuorumClients({}), Clock())
    answer = asyncio.run(cluster.perform(reboot(1)))
    assert answer.result is Result.STALE and "etcd is not known" in answer.detail
    assert plain.done == []


def test_what_is_done_to_a_group_is_seen_at_once_and_its_refusal_is_an_outcome() -> None:
    async def story() -> None:
        plain, etcd, _, cluster = a_bed()
        events = cluster.events()
        plain.inbox.put_nowait(ClusterSynced("east"))
        assert isinstance(await anext(events), Upserted) and await anext(events) == ClusterSynced("east")
        ref = NodeRef("east", "m-0")
        move = MoveLeader(id="r/1", rollout="r", node=ref, uid="u", group="etcd", to="m2")
        assert await cluster.perform(move) == Outcome(move, Result.DONE, "m2 leads")
        told = await anext(events)
        assert isinstance(told, Upserted) and isinstance(told.thing, Quorum)
        assert told.thing.leader is not None and told.thing.leader.name == "m2"
        save = SaveSnapshot(
            id="r/2", rollout="r", node=ref, uid="u", group="etcd", rule=SnapshotRule("/backup")
        )
        assert (await cluster.perform(save)).detail == "/backup/x.db"
        etcd.full = True
        assert await cluster.perform(save) == Outcome(save, Result.FAILED, "no space left on device")
        assert plain.done == []
        await cluster.close()
        await events.aclose()

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


def test_groups_come_change_and_go_with_their_workloads() -> None:
    groups = some_groups()
    assert not groups.see(Upserted("east", NODES[0]))
    assert not groups.see(Upserted("east", a_workload("other", None)))
    assert groups.see(Upserted("east", a_workload("zk", "first")))
    first = groups.get("zk")
    assert isinstance(first, Told) and first.heard == [
        Upserted("east", NODES[0]),
        Upserted("east", a_workload("zk", "first")),
    ]
    assert not groups.see(Upserted("east", replace(a_workload("zk", "first"), replicas=5)))
    assert groups.get("zk") is first, "what it knows is kept while its declaration stays"
    assert groups.see(Upserted("east", a_workload("zk", "second")))
    assert groups.get("zk") is not first and len(list(groups)) == 1
    assert groups.see(Upserted("east", a_workload("zk", None))) and not list(groups)
    assert groups.see(Upserted("east", a_workload("zk", "third")))
    assert groups.see(Deleted("east", a_workload("zk", "third"))) and not list(groups)


def test_a_group_that_is_declared_while_the_controller_runs_is_told_at_once_and_when_it_goes() -> None:
    async def story() -> None:
        plain, groups = Plain(), some_groups()
        cluster = ClusterWithQuorums(plain, groups, Clock())
        plain.inbox.put_nowait(ClusterSynced("east"))
        events = cluster.events()
        assert await anext(events) == ClusterSynced("east")
        written, gone = a_workload("zk", "a"), a_workload("zk", None)
        plain.inbox.put_nowait(Upserted("east", written))
        assert await anext(events) == Upserted("east", written)
        told = await anext(events)
        assert isinstance(told, Upserted) and isinstance(told.thing, Quorum) and told.thing.name == "zk"
        plain.inbox.put_nowait(Upserted("east", gone))
        assert await anext(events) == Upserted("east", gone)
        assert await anext(events) == Deleted("east", told.thing)
        await cluster.close()
        await events.aclose()

    asyncio.run(story())


def test_a_node_does_not_reboot_for_a_group_that_nobody_knew_when_it_was_decided() -> None:
    async def story() -> None:
        plain, groups = Plain(), some_groups()
        cluster = ClusterWithQuorums(plain, groups, Clock())
        decided = replace(reboot(1), quorums={})
        assert (await cluster.perform(decided)).result is Result.DONE
        groups.see(Upserted("east", a_workload("zk", "a")))
        outcome = await cluster.perform(decided)
        assert outcome.result is Result.STALE
        assert outcome.detail == "quorum group zk has a member there, which was not known before"
        assert plain.done == [decided]

    asyncio.run(story())
