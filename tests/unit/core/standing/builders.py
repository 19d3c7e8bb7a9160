"""Pools, releases and past rollouts for tests of standing policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from msgspec.structs import replace

from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.times.window import Window
from fleet.core.policy.upgrades.upgrade_rule import UpgradeRule
from fleet.core.releases.release import Release, Stream
from fleet.core.standing.facts import RunningNodes, StandingFacts
from fleet.core.standing.past import PastPart, PastRollout

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""A Monday."""
DAY = timedelta(days=1)
NIGHTS = (Window((0, 1, 2, 3, 4, 5, 6), time(1), time(5)),)
AUTO = UpgradeRule(mode="auto")
RELEASES = tuple(Release(f"44.{number}", released=NOW - (10 - number) * DAY) for number in range(1, 5))
"""44.1 to 44.4, nine to six days old."""


def facts(
    running: Mapping[str, int],
    rule: UpgradeRule = AUTO,
    releases: Sequence[Release] = RELEASES,
    past: Sequence[PastRollout] = (),
    **pool: Any,
) -> StandingFacts:
    """Returns a pool `workers` whose nodes run so many of each version."""
    own = Pool("workers", stream="stable", upgrade=rule, **pool)
    policy = Policy(
        pools=(Pool("canary", stream="stable"), own), streams=(Stream("stable", tuple(releases)),)
    )
    fleet = [RunningNodes("workers", "east", "fra", version, count) for version, count in running.items()]
    return StandingFacts(policy, own, fleet, past)


def rollout(
    ident: str,
    version: str,
    began: datetime,
    pool: str = "workers",
    came_from: str = "44.1",
    state: str = "finished",
    hours: int = 1,
    **part: Any,
) -> PastRollout:
    """Returns a rollout of three nodes that has ended well after some hours."""
    ended = began + timedelta(hours=hours)
    base = PastPart(pool, "east", "fra", done=3, last_done=ended, came_from=frozenset({came_from}))
    return PastRollout(ident, version, state, False, began, "ada", parts=(replace(base, **part),))
