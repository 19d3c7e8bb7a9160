"""Makes of a decision about a standing policy what users and programs see of it."""

from __future__ import annotations

from fleet.core.policy.policy import Pool
from fleet.core.policy.upgrades.approver import needs_users, rule_of
from fleet.core.standing.decision import StandingDecision
from fleet.core.standing.facts import StandingFacts
from fleet.core.standing.qualification import Candidate
from fleet.core.standing.reason import StandingObstacle
from fleet.core.standing.standing_pool import StandingLack, StandingPool, StandingRelease
from fleet.core.standing.state import StandingState
from fleet.core.text.durations import format_duration


def outlook_of(facts: StandingFacts, decision: StandingDecision) -> StandingPool:
    """Returns what a decision says about its pool."""
    manual = decision.state is StandingState.MANUAL
    return StandingPool(
        pool=decision.pool,
        state=decision.state,
        follows="" if manual else follows(facts.pool),
        rule=None if manual else facts.rule,
        approved_by="" if manual else "user" if needs_users(facts.pool) else "rule",
        runs=dict(facts.running),
        target=decision.target,
        when=decision.when,
        zone=decision.zone,
        why=_lack(decision.obstacle) if decision.obstacle is not None else None,
        releases=tuple(map(_release, decision.candidates)),
    )


def follows(pool: Pool) -> str:
    """Returns what the pool follows, for users: `stable, 3d behind, after pool canary for 2d`."""
    rule = rule_of(pool)
    parts = [pool.stream]
    if pool.version:
        parts.append(f"pinned to {pool.version}")
    if rule.delay_seconds:
        parts.append(f"{format_duration(rule.delay_seconds)} behind")
    parts += [f"after {soak.place} for {format_duration(soak.for_seconds)}" for soak in rule.soaked_in]
    return ", ".join(parts)


def _release(candidate: Candidate) -> StandingRelease:
    reach = candidate.reach
    return StandingRelease(
        version=candidate.version,
        qualifies=candidate.qualifies,
        nodes=reach.behind,
        ahead=reach.ahead,
        stuck=reach.stuck,
        unordered=reach.unordered,
        barred=dict(reach.barred),
        when=candidate.when,
        lacks=tuple(map(_lack, candidate.obstacles)),
        met=candidate.grounds,
    )


def _lack(obstacle: StandingObstacle) -> StandingLack:
    return StandingLack(
        obstacle.reason, obstacle.message, obstacle.remedy, obstacle.when, dict(obstacle.params)
    )
