"""The approval of a plan by the rule of a standing policy, which is written together with the start."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from fleet.app.planning.effects import PlanState, changes, files_of, hash_of, plan_again
from fleet.core.planning.plan import Plan, short_id
from fleet.core.records.errors import HeldError
from fleet.core.records.identity import Identity
from fleet.core.rollout.commands import PlanApproved
from fleet.core.rollout.goal import GivenApproval, StandingStart, Start, StartApproval


def approved_by_rule(plan: Plan, state: PlanState, standing: StandingStart) -> PlanApproved:
    """Returns the approval in the name of the policy, with the grounds on which the release qualified. Raises HeldError
    where the plan would differ now."""
    if state.changes:
        raise HeldError(
            "\n  ".join([f"plan {short_id(plan.plan_id)} would differ now:", *changes(state.changes)]),
            f"a new plan: {plan_again(plan)}",
        )
    return PlanApproved(
        plan=plan.plan_id,
        effect=hash_of(state.effect),
        covers=dict(state.effect),
        by=Identity(standing.identity, "policy", standing.rule),
        asked_by=standing.identity,
        files=dict(files_of(plan)),
        reason="; ".join(standing.grounds),
    )


def start_by_rule(begin: Start, state: PlanState, approved: PlanApproved, at: datetime) -> Start:
    """Returns what the rollout starts with, with the approval. Both are written together, so that the approval's place in
    the journal is not known yet."""
    given = GivenApproval(approved.by, at, approved.plan, "", approved.reason)
    approval = StartApproval(approved.asked_by, approved.effect, state.rule.required, (given,))
    return replace(begin, approval=approval)
