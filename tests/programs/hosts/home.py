"""A controller at work on hosts without a cluster, with a real database, on a clock that runs fast."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fleet.app.wiring.sources.hosts import guarded_hosts
from fleet.core.objects.node import NodeRef
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.records.journal import JournalRecord
from fleet.core.releases.release import Release, Stream
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, Step
from fleet.drivers.controller import Controller
from fleet.drivers.pipeline import ClusterPipeline
from fleet.simulated.clock import SimulatedClock
from fleet.store import ClusterRow, Store
from tests.programs.hosts.boxes import NEW, OLD, Site

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
        self._pool = pool
        self._policy = Policy()

    def start(self, *groups: QuorumGroup, release: Release = NEW) -> None:
        """The rollout of all hosts, by a policy with these quorum groups."""
        goals = tuple(
            Goal(NodeRef("shop", name), f"id-{name}", "shop", canary=index < self._pool.canaries)
            for index, name in enumerate(self.site.boxes)
        )
        self._policy = Policy((self._pool,), (Stream("stable", (OLD, release)),), quorums=groups)
        detail = msgspec.to_builtins(Start("p-1", release, self._policy, goals))
        record = JournalRecord(form="command", kind="start", rollout="r-1", detail=detail)
        self.store.journal.append([record], at=self.clock.now(), actor="ada@desk")

    def run(self, seconds: float = 60, until: Callable[[], bool] = lambda: False) -> None:
        """A controller until there is nothing left to do, the rollout is halted, or `until`; then it is stopped."""

        async def connect() -> Mapping[str, ClusterPipeline]:
            return {"shop": guarded_hosts(self.site.cluster(), "fra", self._policy, self.clock)}

        wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time
        controller = Controller(
            self.store, connect, lambda: {"shop": "fra"}, self.clock, lambda: wall, lambda _: None
        )

        def over() -> bool:
            return until() or self.rollout.state is RolloutState.HALTED

        async def until_settled() -> None:
            work = asyncio.create_task(controller.run(until_idle=True))
            async with asyncio.timeout(seconds):
                while not work.done() and not over():  # noqa: ASYNC110 - it is no event
                    await asyncio.sleep(0.02)
            if not work.done():
                work.cancel()
            await asyncio.gather(work, return_exceptions=not work.done())

        asyncio.run(until_settled())

    @property
    def rollout(self) -> Rollout:
        return rollouts_of(self.store.journal.entries())["r-1"]

    @property
    def done(self) -> int:
        return sum(run.step is Step.DONE for run in self.rollout.runs.values())

    @property
    def held(self) -> dict[str, list[str]]:
        """The messages of why hosts wait, by host."""
        board = self.store.held.of("r-1")
        return {NodeRef.parse(node).name: [each.message for each in row.held] for node, row in board.items()}
