"""The acts of the quarter's users, by the use cases behind the commands that they would type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from fleet.app.approvals.approve import approve, reject
from fleet.app.demo.people import acting_as
from fleet.app.planning.plans import plan
from fleet.app.rollouts import commands
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.plan import Plan, short_id
from fleet.core.records.errors import NotAllowedError
from fleet.core.releases.release import Release
from fleet.core.rollout.steps import RolloutState, Step
from fleet.simulated.cluster import SimulatedCluster
from fleet.simulated.quarter.fleet import BROKEN, BROKEN_CLUSTER, behaviour
from fleet.simulated.quarter.policy import FEED
from fleet.simulated.quarter.releases import feed


class Act(NamedTuple):
    """Describes what somebody does at a moment."""

    at: datetime
    do: Callable[[DemoStage], str]
    """Returns what is to be told of it; empty: the journal tells it."""
    by: str = ""
    """The user who does it by commands. Empty: it happens to the fleet."""


class DemoStage:
    """The home of the quarter, as its users work on it."""

    def __init__(
        self, home: Home, published: tuple[Release, ...], clusters: Mapping[str, SimulatedCluster]
    ) -> None:
        """`published`: the releases of the stream so far. `clusters`: those of the running controller."""
        self.home = home
        self.clusters = clusters
        self._published = published

    def publish(self, release: Release) -> str:
        """Adds a release to the stream."""
        self._published = (*self._published, release)
        (self.home.path / FEED).write_text(feed(self._published), encoding="utf-8")
        advisories = release.advisories if isinstance(release.advisories, tuple) else ()
        fixes = ", ".join(f"{each.id} ({each.severity})" for each in advisories)
        return f"stream stable has {release.version}, which fixes {fixes}"

    def repair(self) -> str:
        """Replaces the disk of the broken node."""
        self.clusters[BROKEN_CLUSTER].behave(behaviour(BROKEN_CLUSTER, repaired=True))
        return f"the disk of {BROKEN_CLUSTER}/{BROKEN} is replaced"

    def plan(self, pool: str) -> str:
        """Makes and keeps a plan."""
        made = plan(self.home, [pool], "", keep=True)
        count = len(made.begin().goals)
        return (
            f"{made.by} plans {short_id(made.plan_id)}: pool {pool} to {made.target.version}, {count} nodes"
        )

    def reject(self, pool: str, reason: str) -> str:
        """Rejects the newest plan of a pool."""
        reject(self.home, self._last_plan(pool), reason)
        return ""

    def approve(self, pool: str, comment: str) -> str:
        """Approves the newest plan of a pool."""
        approve(self.home, self._last_plan(pool), self._fresh, comment)
        return ""

    def approve_own(self, pool: str) -> str:
        """Tries to approve the user's own plan. Raises AssertionError where that is possible."""
        made = self._last_plan(pool)
        try:
            approve(self.home, made, self._fresh, "")
        except NotAllowedError as refused:
            return f"{made.by} tries to approve it as well, and is refused: {refused.message}"
        raise AssertionError(f"{made.by} could approve {made.plan_id}")

    def start(self, pool: str) -> str:
        """Starts the newest plan of a pool."""
        start(self.home, self._last_plan(pool), self._fresh)
        return ""

    def release_failed(self, reason: str) -> str:
        """Releases every failed node that still counts as out."""
        for rollout in Rollouts.load(self.home.store).all:
            for run in rollout.runs.values():
                if run.step is Step.FAILED and run.slot:
                    commands.release(self.home, str(run.node), reason)
        return ""

    def abort_halted(self, reason: str) -> str:
        """Aborts the rollout that is halted."""
        for rollout in Rollouts.load(self.home.store).active:
            if rollout.state is RolloutState.HALTED:
                commands.send_command(self.home, "abort", rollout.id, reason)
        return ""

    def perform(self, act: Act) -> str:
        """Does what an act is about, as its user."""
        with acting_as(self.home, act.by):
            return act.do(self)

    def _last_plan(self, pool: str) -> Plan:
        rows = (row for row in self.home.store.plans.list() if pool in row.pools)
        return self.home.store.plans.get(next(rows).plan_id)

    def _fresh(self, names: Sequence[str]) -> Sequence[Snapshot]:
        return refresh(self.home, names).fresh
