"""A controller at work on hosts without a cluster, with a real database, on a clock that runs fast."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleet.core.history import rollouts_of
from fleet.core.journal import Record
from fleet.core.node import NodeRef
from fleet.core.policy import Amount, Limits, Policy, Pool, Window
from fleet.core.release import Stream
from fleet.core.rollout import Goal, Rollout, Start, State
from fleet.core.selector import Selector
from fleet.core.steps import Step
from fleet.drivers.controller import Controller
from fleet.drivers.ports import Cluster
from fleet.sim.clock import SimulatedClock
from fleet.store import ClusterRow, Store
from tests.unit.hosts.boxes import NEW, OLD, Site

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SPEED = 30.0
POOL = Pool(
    "shop",
    Selector({"pool": "shop"}),
    stream="stable",
    limits=Limits(Amount(1)),
    canaries=1,
    soak_seconds=5,
)
HOOKS = {"before": {"run": "out"}, "after": {"run": "in"}}


class Home:
    def __init__(self, folder: Path, count: int = 3, pool: Pool = POOL) -> None:
        self.site = Site(folder, count, **HOOKS)
        self.store = Store.open(folder / "fleet.db")
        self.store.clusters.add(ClusterRow(name="shop", sites=("fra",), kind="hosts"))
        self.clock = SimulatedClock(BEGAN, SPEED)
        self.clock.run()
        goals = tuple(
            Goal(NodeRef("shop", name), f"id-{name}", "shop", canary=not index)
            for index, name in enumerate(self.site.boxes)
        )
        policy = Policy((pool,), (Stream("stable", (OLD, NEW)),))
        detail = msgspec.to_builtins(Start("p-1", NEW, policy, goals))
        record = Record(form="command", kind="start", rollout="r-1", detail=detail)
        self.store.journal.append([record], at=self.clock.now(), actor="ada@desk")

    def run(self, seconds: float = 60) -> None:
        async def connect() -> Mapping[str, Cluster]:
            return {"shop": self.site.cluster()}

        wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time
        controller = Controller(
            self.store, connect, lambda: {"shop": "fra"}, self.clock, lambda: wall, lambda _: None
        )

        async def until_settled() -> None:
            work = asyncio.create_task(controller.run(until_idle=True))
            async with asyncio.timeout(seconds):
                while not work.done() and self.rollout.state is not State.HALTED:  # noqa: ASYNC110 - it is no event
                    await asyncio.sleep(0.02)
            if not work.done():
                work.cancel()
            await asyncio.gather(work, return_exceptions=not work.done())

        asyncio.run(until_settled())

    @property
    def rollout(self) -> Rollout:
        return rollouts_of(self.store.journal.entries())["r-1"]


def test_every_host_goes_out_by_its_hooks_reboots_once_and_comes_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run()
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
    boxes = home.site.boxes.values()
    assert [box.boots for box in boxes] == [2, 2, 2]
    assert [box.hooks for box in boxes] == [[f"out {box.name}", f"in {box.name}"] for box in boxes]
    rows = home.store.inventory.nodes()
    assert {row.machine.booted for row in rows if row.machine} == {NEW}


def test_hosts_go_out_only_in_the_windows_of_their_pool(tmp_path: Path) -> None:
    opens = BEGAN + timedelta(minutes=5)
    window = Window(days=(opens.weekday(),), start=opens.time(), end=time(13))
    home = Home(tmp_path, count=1, pool=replace(POOL, windows=(window,)))
    home.run()
    entries = home.store.journal.entries()
    went = [each.at for each in entries if (each.record.form, each.record.kind) == ("intent", "cordon")]
    assert [at >= opens for at in went] == [True]
    box = home.site.boxes["n-0"]
    assert (box.boots, box.hooks) == (2, ["out n-0", "in n-0"])


def test_a_host_that_came_back_with_the_old_deployment_halts_the_rollout(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.site.boxes["n-0"].boots_new = False
    home.run()
    rollout = home.rollout
    assert rollout.state is State.HALTED
    assert "booted 1.0 instead of 1.1: rolled back" in rollout.why
    assert [box.boots for box in home.site.boxes.values()] == [2, 1, 1]
    assert home.site.boxes["n-0"].hooks == ["out n-0"], "it stays out of service until a person looks"


def test_a_unit_that_fails_in_the_new_release_halts_the_rollout(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.site.boxes["n-0"].failed.append("old.service")
    home.site.boxes["n-0"].fails_after_boot = "shop.service"
    home.run()
    assert home.rollout.state is State.HALTED
    assert "shop.service has failed that had not before the reboot" in home.rollout.why


def test_a_hook_that_goes_on_failing_fails_the_run_with_its_words_and_gives_the_host_back(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    home.site.boxes["n-0"].hook_fails["out"] = "still has customers"
    home.run()
    rollout = home.rollout
    assert rollout.state is State.HALTED
    assert "the hook before ended with 1: still has customers" in rollout.why
    box = home.site.boxes["n-0"]
    assert (box.boots, box.hooks) == (1, ["out n-0"] * 4 + ["in n-0"])
