"""Resumes a standing policy that is halted."""

from __future__ import annotations

from fleet.app.access.allowed import allowed
from fleet.app.standing.outlook import chosen_pools, decisions
from fleet.app.wiring.home import Home
from fleet.core.policy.access import Role
from fleet.core.records.errors import UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import PolicyResumed
from fleet.core.standing.decision import StandingDecision
from fleet.core.standing.reason import StandingReason
from fleet.core.standing.state import StandingState


def resume_policy(home: Home, pool: str, reason: str = "") -> StandingDecision:
    """Writes into the journal that failures, aborts and rollbacks so far no longer count for the pool's standing policy,
    and returns what it does next.

    Raises NotAllowedError without the role, and UsageError where the policy is not halted, or its rollout is.
    """
    caller = allowed(home, Role.OPERATOR, "resume standing policies")
    chosen_pools(home.policy(), [pool])
    (decision,) = decisions(home, [pool])
    obstacle = decision.obstacle
    if decision.state is not StandingState.HALTED or obstacle is None:
        raise UsageError(f"the standing policy of pool {pool} is not halted: {decision.state}")
    if obstacle.reason is StandingReason.HALTED:
        raise UsageError(obstacle.message, obstacle.remedy)
    record = to_record(PolicyResumed(pool=pool, reason=reason))
    home.store.journal.append([record], at=home.now(), actor=caller.actor)
    return decisions(home, [pool])[0]
