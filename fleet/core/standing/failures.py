"""Finds what speaks against trying a release again in a pool: failures, aborts and rollbacks since an operator
resumed the standing policy."""

from __future__ import annotations

from fleet.core.rollout.steps import RolloutState
from fleet.core.standing.facts import StandingFacts
from fleet.core.standing.past import PastPart, PastRollout
from fleet.core.standing.reason import StandingObstacle, StandingReason


def stopped_release(facts: StandingFacts) -> tuple[int, StandingObstacle] | None:
    """Returns the newest release of the pool's stream that is not tried again in the pool by itself, by its index in the
    stream, and why. None where there is none. No release up to that one is tried either: only a newer one may bring
    what repairs it."""
    for index in range(len(facts.stream.releases) - 1, -1, -1):
        if failure := _failure(facts, facts.stream.releases[index].version):
            return index, failure
    return None


def _failure(facts: StandingFacts, version: str) -> StandingObstacle | None:
    """Returns why the release is not tried again; None where nothing speaks against it. The last rollout that says
    anything about the release counts."""
    found: StandingObstacle | None = None
    for rollout, part in facts.own:
        if rollout.active:
            continue
        if facts.resumed is not None and rollout.started_at <= facts.resumed:
            continue
        if rollout.version != version:
            if rolls_back(facts, rollout, part, version):
                found = _obstacle(facts, StandingReason.ROLLED_BACK, rollout, version)
        elif rollout.state == RolloutState.ABORTED:
            found = _obstacle(facts, StandingReason.ABORTED, rollout, version, by=rollout.state_by)
        elif part.failed:
            found = _obstacle(facts, StandingReason.FAILED, rollout, version, count=part.failed)
        elif part.done:
            found = None
    return found


def rolls_back(facts: StandingFacts, rollout: PastRollout, part: PastPart, version: str) -> bool:
    """Returns whether the rollout brought nodes from the release back to an older one."""
    return version in part.came_from and facts.order.relation(rollout.version, version) == "older"


def soak_failure(facts: StandingFacts, place: str, version: str) -> tuple[str, str] | None:
    """Returns the rollout that speaks against the release in a place where it soaks, and why; None where nothing
    does. The last rollout there that says anything about the release counts."""
    found: tuple[str, str] | None = None
    for rollout, part in facts.soaks[place]:
        if rollout.version != version:
            if rolls_back(facts, rollout, part, version):
                found = rollout.id, "it was rolled back"
        elif rollout.state in (RolloutState.HALTED, RolloutState.ABORTED):
            found = rollout.id, f"it was {rollout.state}"
        elif part.failed:
            found = rollout.id, f"{part.failed} nodes failed"
        elif part.done and not part.open:
            found = None
    return found


def _obstacle(
    facts: StandingFacts, reason: StandingReason, rollout: PastRollout, version: str, **params: str | int
) -> StandingObstacle:
    return StandingObstacle(
        reason, {"rollout": rollout.id, "pool": facts.pool.name, "version": version, **params}
    )
