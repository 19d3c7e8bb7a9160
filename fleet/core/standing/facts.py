"""Holds what a decision about one pool reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from msgspec import Struct, UnsetType

from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.upgrades.approver import rule_of
from fleet.core.policy.upgrades.upgrade_rule import SoakRule, UpgradeRule
from fleet.core.releases.release import Release, Stream
from fleet.core.standing.past import InPlace, PastPart, PastRollout
from fleet.core.standing.reach import ReleaseOrder, ReleaseReach


class AskedPlan(Struct, frozen=True):
    """A plan that the standing policy has made for users to approve."""

    version: str
    plan: str
    """Its short id."""
    approved: bool = False
    """Whether enough approvals are in force, and the plan would still be the same now."""


class RunningNodes(Struct, frozen=True):
    """The nodes of one place that run the same release."""

    pool: str
    cluster: str
    site: str
    version: str
    """As the streams name it; empty: not known."""
    count: int
    since: datetime | None = None
    """From when on fleet has seen all of them run it. None: not known."""


class StandingFacts(Struct, frozen=True, dict=True):
    """One pool as it is now, with everything that was done in the fleet before."""

    policy: Policy
    pool: Pool
    fleet: Sequence[RunningNodes]
    """What the nodes of all pools run."""
    past: Sequence[PastRollout] = ()
    """All rollouts, oldest first."""
    plans: Sequence[AskedPlan] = ()
    resumed: datetime | None = None
    """When an operator last resumed the standing policy of this pool: failures before no longer count."""

    @cached_property
    def rule(self) -> UpgradeRule:
        return rule_of(self.pool)

    @cached_property
    def stream(self) -> Stream:
        return self.policy.stream(self.pool.stream) or Stream(self.pool.stream)

    @cached_property
    def order(self) -> ReleaseOrder:
        """Returns the order of the pool's stream."""
        return ReleaseOrder(self.stream)

    @cached_property
    def reaches(self) -> Sequence[tuple[Release, ReleaseReach]]:
        """Returns each release of the stream that is newer than what some node of the pool runs, newest first, with the
        nodes that it reaches."""
        found = ((release, self.order.reach(release, self.running)) for release in self.stream.releases)
        return [(release, reach) for release, reach in found if reach.direct or reach.barred][::-1]

    @cached_property
    def running(self) -> Mapping[str, int]:
        """Returns the number of the pool's nodes by version."""
        found: Counter[str] = Counter()
        for nodes in self.fleet:
            if nodes.pool == self.pool.name:
                found[nodes.version] += nodes.count
        return found

    @cached_property
    def places(self) -> frozenset[tuple[str, str]]:
        """Returns the clusters and sites of the pool's nodes."""
        return frozenset((nodes.cluster, nodes.site) for nodes in self.fleet if nodes.pool == self.pool.name)

    @cached_property
    def own(self) -> Sequence[tuple[PastRollout, PastPart]]:
        """Returns the rollouts of the pool, each with its nodes there."""
        name = self.pool.name
        return self._inside(lambda pool, cluster, site: pool == name)

    @cached_property
    def soaks(self) -> Mapping[str, Sequence[tuple[PastRollout, PastPart]]]:
        """Returns the rollouts in each place where releases soak, by the place's name, each with its nodes there."""
        return {soak.place: self._inside(self.holds(soak)) for soak in self.rule.soaked_in}

    def _inside(self, wanted: InPlace) -> Sequence[tuple[PastRollout, PastPart]]:
        found = ((rollout, rollout.inside(wanted)) for rollout in self.past)
        return [(rollout, part) for rollout, part in found if part is not None]

    def schedules(self) -> Schedules:
        return Schedules(self.policy)

    def holds(self, soak: SoakRule) -> InPlace:
        """Returns which places a rule about soaking means."""
        stages = () if isinstance(self.policy.stages, UnsetType) else self.policy.stages

        def holds(pool: str, cluster: str, site: str) -> bool:
            if soak.pool:
                return pool == soak.pool
            first = next((stage for stage in stages if stage.holds(pool, cluster, site)), None)
            return first is not None and first.name == soak.stage

        return holds
