"""The controller at work on simulated clusters, with a real database, on a clock that runs fast."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import Quorum, SnapshotRule
from fleet.core.records.errors import StaleEpochError, StoreError
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.records.retention import Retention
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.event import ClusterEvent, JournalNote, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.record import TaskPlayed
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.core.state.own_pod import OwnPod
from fleet.drivers import controller as controllers
from fleet.drivers.controller import Controller
from fleet.drivers.journal.log import LOG
from fleet.drivers.pipeline import ClusterPipeline, EngineInput
from fleet.drivers.quorum_clients import QuorumClients
from fleet.drivers.quorum_monitor import QuorumMonitor
from fleet.lab.simulation.builders import NEW, START, a_budget, a_deployment, a_node, a_policy, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import SimulatedCluster, create, snapshot_of
from fleet.store import ClusterRow, Store
from fleet.store.journal.journal import SqlJournal
from fleet.system import logs
from tests.store.disks import fill, small_disk

SPEED = 300.0
SECONDS = 60.0
"""Of the wall: longer than any of these rollouts should take on a slow machine."""


class Home:
    """A database and one simulated cluster of four nodes in a folder; controllers come and go."""

    def __init__(self, folder: Path, database: Path | None = None, replicas: int = 0) -> None:
        """`replicas`: how many pods of the controller the cluster has; the first one is on n-0."""
        nodes = [a_node(f"n-{index}", zone="abc"[index % 3]) for index in range(4)]
        own = a_deployment("fleet-controller", replicas, nodes, "fleet-system")
        shop = a_deployment("shop", 6, nodes)
        snapshot = a_snapshot(nodes, (own[0] + shop[0], own[1] + shop[1]), [a_budget("shop", 6, 1)])
        self.own = OwnPod("east", "fleet-system", own[1][0].name) if replicas else None
        self.path = folder / "east.json"
        create(self.path, snapshot, ClusterBehaviour(stage=20, reboot=30), 1, START)
        self.store = Store.open(database or folder / "fleet.db")
        self.store.clusters.add(ClusterRow(name="east", sites=("fra",), kind="simulated"))
        self.clock = SimulatedClock(START, SPEED)
        self.clock.run()
        self.warned: list[str] = []
        self.retention = Retention()
        self.snapshot = snapshot

    def controller(self) -> Controller:
        async def connect() -> Mapping[str, ClusterPipeline]:
            return {"east": ClusterPipeline(self.cluster())}

        wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time

        return Controller(
            self.store,
            connect,
            lambda: {"east": "fra"},
            self.clock,
            lambda: wall,
            print,
            retention=self.retention,
            own=self.own,
        )

    def cluster(self) -> SimulatedCluster:
        return SimulatedCluster(self.path, self.clock)

    def start(self) -> None:
        policy = a_policy()
        goals = tuple(Goal(NodeRef("east", node.name), node.uid, "workers") for node in self.snapshot.nodes)
        detail = msgspec.to_builtins(Start("p-1", NEW, policy, goals))
        record = JournalRecord(form="command", kind="start", rollout="r-1", detail=detail)
        self.store.journal.append([record], at=self.clock.now(), actor="ada@desk")

    @property
    def rollout(self) -> Rollout:
        return rollouts_of(self.store.journal.entries())["r-1"]

    def warn(self, expected: str) -> None:
        """It hears of what a controller warns of."""
        self.warned.append(expected)


class EventLog(logging.Handler):
    def __init__(self, home: Home) -> None:
        super().__init__(logging.WARNING)
        self._home = home

    def emit(self, record: logging.LogRecord) -> None:
        self._home.warn(record.getMessage())


def run(home: Home, seconds: float = SECONDS) -> None:
    events = EventLog(home)
    LOG.addHandler(events)
    try:
        asyncio.run(asyncio.wait_for(home.controller().run(until_idle=True), seconds))
    finally:
        LOG.removeHandler(events)


def test_rollout_is_carried_out_and_recorded_in_the_inventory(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.start()
    run(home)
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
    assert not home.rollout.active and not home.rollout.intents
    rows = home.store.inventory.nodes()
    assert {row.machine.booted.version for row in rows if row.machine and row.machine.booted} == {NEW.version}
    assert home.store.journal.verify() == []
    assert home.store.lease.current(home.clock.now() + timedelta(days=1)) is None


def test_standby_that_never_leads_is_not_offered_the_lead_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wall's clock stands still, so the lead is offered once. The controller works on, and its own node waits."""
    monkeypatch.setattr(controllers, "HAND_OVER_SECONDS", 0.1)
    home, shown = Home(tmp_path, replicas=2), ""
    home.start()

    async def story() -> None:
        nonlocal shown
        work = asyncio.create_task(home.controller().run())
        async with asyncio.timeout(SECONDS):
            while "(epoch 2)" not in shown:
                shown += capsys.readouterr().out
                await asyncio.sleep(0.05)
            # The own node is looked at every ten seconds.
            end = home.clock.now() + timedelta(minutes=2)
            while home.clock.now() < end:  # noqa: ASYNC110 - it is no event
                await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.wait({work})

    asyncio.run(story())
    shown += capsys.readouterr().out
    assert shown.count("handing over") == 1, shown
    assert {run.node.name for run in home.rollout.runs.values() if run.step is not Step.DONE} == {"n-0"}
    (waiting,) = home.store.held.of("r-1").values()
    assert [held.reason for held in waiting.held] == [Reason.HAND_OVER]


def test_log_has_the_command_and_every_step_of_every_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path)
    home.start()
    with caplog.at_level(logging.INFO, LOG.name):
        run(home)
    reported = [(logs.place_of(each), each.getMessage()) for each in caplog.records if each.name == LOG.name]
    steps = [
        (
            {"rollout": "r-1", "cluster": "east", "node": entry.record.node.split("/")[1]},
            entry.record.detail["to"],
        )
        for entry in home.store.journal.entries()
        if entry.record.kind == "step"
    ]
    assert [(place, message) for place, message in reported if message.startswith("step ")] == [
        (place, f"step {step}") for place, step in steps
    ]
    assert ({"rollout": "r-1"}, "taken up, running; started by ada@desk") in reported
    assert ({"rollout": "r-1"}, "finished") in reported
    assert {"cluster": "east"} in [place for place, _ in reported]


def test_controller_stopped_repeatedly_finishes_the_rollout(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.start()

    async def a_little() -> None:
        work = asyncio.create_task(home.controller().run(until_idle=True))
        seen = home.store.journal.count()
        while home.store.journal.count() < seen + 7 and not work.done():  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    for _ in range(200):
        if not home.rollout.active:
            break
        asyncio.run(asyncio.wait_for(a_little(), SECONDS))
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
    boots = {node.boot_id for node in snapshot_of(home.path).nodes}
    assert not boots & {node.boot_id for node in home.snapshot.nodes}
    assert home.store.journal.verify() == []


def test_command_sent_while_the_lease_is_released_is_not_lost(tmp_path: Path) -> None:
    home = Home(tmp_path)
    release = home.store.lease.release

    def start_just_before(identity: str) -> None:
        if home.store.journal.count() == 0:
            home.start()
        release(identity)

    home.store.lease.release = start_just_before  # type: ignore[method-assign]
    run(home)
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}


def test_unexpected_error_ends_the_controller_and_is_not_swallowed(tmp_path: Path) -> None:
    class Broken(SimulatedCluster):
        async def perform(self, action: AnyAction) -> Outcome:
            raise RuntimeError("a bug")

    class BrokenHome(Home):
        def cluster(self) -> SimulatedCluster:
            return Broken(self.path, self.clock)

    home = BrokenHome(tmp_path)
    home.start()
    with pytest.raises(RuntimeError, match="a bug"):
        run(home)


def test_controller_that_lost_its_lease_writes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.start()
    at = home.clock.now()
    mine = home.store.lease.acquire("one", at=at, seconds=15, abandoned=lambda _: False)
    theirs = home.store.lease.acquire("two", at=at, seconds=15, abandoned=lambda holder: holder == "one")
    assert theirs.held and theirs.epoch == mine.epoch + 1
    record = JournalRecord(form="decision", kind="finish", rollout="r-1")
    with pytest.raises(StaleEpochError):
        home.store.journal.append([record], at=at, actor="one", epoch=mine.epoch)
    assert home.rollout.active


def test_cluster_led_by_another_controller_is_not_reported_as_unreachable(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    home.start()

    async def until_told() -> set[Reason]:
        other = "fleet@elsewhere/1/1"
        assert (await home.cluster().lead(other, 3600, lambda _: False)).held
        work = asyncio.create_task(home.controller().run())
        reported: set[Reason] = set()
        while not reported and not work.done():
            await asyncio.sleep(0)
            board = home.store.held.of("r-1").values()
            reported = {held.reason for row in board for held in row.held if other in held.message}
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return reported

    assert asyncio.run(asyncio.wait_for(until_told(), SECONDS)) == {Reason.LED_BY_ANOTHER}
    assert {run.step for run in home.rollout.runs.values()} == {Step.PENDING}


def test_database_refusal_is_reported_at_once_and_work_continues_after(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.start()
    epochs: list[int] = []
    append = home.store.journal.append

    def refuse_once(*args: Any, **how: Any) -> list[JournalEntry]:
        epochs.append(how["epoch"])
        if len(epochs) == 5:
            raise StoreError("the database is locked")
        return append(*args, **how)

    def release(identity: str) -> None:
        assert home.rollout.ended_at, "a database that refuses is not asked for more"

    home.store.journal.append = refuse_once  # type: ignore[method-assign]
    home.store.lease.release = release  # type: ignore[method-assign]
    run(home)
    assert [expected for expected in home.warned if "locked" in expected] == [
        "the database is locked; retrying every 5 s"
    ]
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
    assert set(epochs) == {1}


class Journaled(SimulatedCluster):
    """Hears of every action, which has to be in the journal by then."""

    def __init__(self, path: Path, clock: SimulatedClock, journal: SqlJournal) -> None:
        super().__init__(path, clock)
        self._journal = journal

    async def perform(self, action: AnyAction) -> Outcome:
        written = [each.record.detail.get("id") for each in self._journal.entries(node=str(action.node))]
        assert action.id in written
        return await super().perform(action)


class FullHome(Home):
    """Its database is on a disk of its own, which is filled in the middle of the rollout and cleared once the warning
    arrives."""

    ballast: Path

    def cluster(self) -> SimulatedCluster:
        return Journaled(self.path, self.clock, self.store.journal)

    def warn(self, expected: str) -> None:
        super().warn(expected)
        if "no room" in expected:
            self.ballast.unlink()


def test_full_disk_pauses_the_controller_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4000) as disk:
        home = FullHome(tmp_path, disk / "fleet.db")
        home.start()
        appended = 0
        append = home.store.journal.append

        def filling(*args: Any, **how: Any) -> list[JournalEntry]:
            nonlocal appended
            appended += 1
            if appended == 5:
                home.ballast = fill(disk)
            return append(*args, **how)

        home.store.journal.append = filling  # type: ignore[method-assign]
        run(home)
        (reported,) = (expected for expected in home.warned if "no room" in expected)
        assert "ballast" in reported
        assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
        assert home.store.journal.verify() == []
        home.store.close()


def test_file_write_is_retried_on_a_full_disk(tmp_path: Path) -> None:
    """Such as a record of hosts without a cluster, or what a playbook is given."""
    tried: list[str] = []

    class Full(SimulatedCluster):
        async def perform(self, action: AnyAction) -> Outcome:
            tried.append(str(action.node))
            if len(tried) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "records/n-1.json")
            return await super().perform(action)

    class HomeOnFullDisk(Home):
        def cluster(self) -> SimulatedCluster:
            return Full(self.path, self.clock)

    home = HomeOnFullDisk(tmp_path)
    home.start()
    run(home)
    assert len([expected for expected in home.warned if "records/n-1.json" in expected]) == 1
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}


def test_controller_forgets_old_history(tmp_path: Path) -> None:
    home = Home(tmp_path)
    long_ago, later = START - timedelta(days=90), START - timedelta(days=60)
    inventory = home.store.inventory
    nodes = [replace(node, kernel="5.1") for node in home.snapshot.nodes]
    inventory.sync(a_snapshot(nodes), at=long_ago, source="sync")
    inventory.sync(home.snapshot, at=later, source="sync")
    home.start()
    run(home)
    assert {row.node.kernel for row in inventory.nodes_at(long_ago) if row.node} == {"5.1"}
    home.retention = Retention(nodes=timedelta(days=30))
    run(home)
    assert inventory.nodes_at(long_ago) == []
    now = inventory.snapshot("east")
    assert (len(now.nodes), len(now.pods)) == (4, 6)
    assert home.rollout.ended_at and home.store.journal.verify() == []


class Tellers:
    """Agents that report a message when a machine gets a request."""

    def __init__(self) -> None:
        self._put: Callable[[ClusterEvent], None] = lambda _: None

    def attach(self, engine: EngineInput) -> None:
        self._put = engine.put

    async def before(self, event: ClusterEvent) -> Sequence[ClusterEvent]:
        if isinstance(event, Upserted) and isinstance(event.obj, Machine) and event.obj.request is not None:
            ref = NodeRef("east", event.obj.name)
            for rollout in (event.obj.request.token.partition("/")[0], "r-9"):
                self._put(JournalNote("east", TaskPlayed(rollout=rollout, node=ref, why="stage: done")))
        return ()

    async def run(self) -> None:
        await asyncio.Event().wait()


def test_messages_of_agents_are_journaled_with_the_rollout_that_asked(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.start()

    async def connect() -> Mapping[str, ClusterPipeline]:
        agents = Tellers()
        return {"east": ClusterPipeline(home.cluster(), [agents], leader_work=agents)}

    wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time
    controller = Controller(home.store, connect, lambda: {"east": "fra"}, home.clock, lambda: wall, print)
    asyncio.run(asyncio.wait_for(controller.run(until_idle=True), SECONDS))
    assert all(run.step is Step.DONE for run in home.rollout.runs.values())
    text = [entry.record for entry in home.store.journal.entries() if entry.record.kind == "played"]
    assert {each.node for each in text} == {f"east/n-{index}" for index in range(4)}
    assert {(each.rollout, each.detail["why"]) for each in text} == {("r-1", "stage: done")}


class NoGroup:
    """A client of a group that is not there."""

    name = "etcd"
    rest = 3600.0

    def __init__(self) -> None:
        self.views: list[set[str]] = []

    async def read(self, view: ClusterView, now: datetime) -> Quorum | None:
        self.views.append(set(view.nodes))
        return None

    async def move_leader(self, to: str) -> str:
        raise AssertionError(to)

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str:
        raise AssertionError(rule)

    async def defragment(self, member: str) -> str:
        raise AssertionError(member)


def test_quorum_groups_are_read_before_the_cluster_counts_as_synced(
    tmp_path: Path,
) -> None:
    home, group = Home(tmp_path), NoGroup()
    home.start()

    async def connect() -> Mapping[str, ClusterPipeline]:
        monitor = QuorumMonitor("east", QuorumClients({"etcd": group}), home.clock)
        return {"east": ClusterPipeline(home.cluster(), [monitor], [monitor])}

    wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time
    controller = Controller(home.store, connect, lambda: {"east": "fra"}, home.clock, lambda: wall, print)
    asyncio.run(asyncio.wait_for(controller.run(until_idle=True), SECONDS))
    assert all(run.step is Step.DONE for run in home.rollout.runs.values())
    assert group.views[0] == {f"n-{index}" for index in range(4)}
