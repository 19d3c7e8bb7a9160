"""Records that a plan was to be started and lacks approvals, so that those who approve get a message."""

from __future__ import annotations

from fleet.app.planning.effects import PlanState, hash_of
from fleet.app.wiring.home import Home
from fleet.core.planning.plan import Plan
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import ApprovalWanted, PlanApproved, PlanRejected


def want_approvals(home: Home, actor: str, plan: Plan, state: PlanState) -> None:
    """Writes the record where the plan lacks approvals, unless its effect is wanted already, or was rejected last. `actor`:
    who wants to start it."""
    if len(state.approvals) >= state.rule.required:
        return
    effect = hash_of(state.effect)
    if _is_decided_or_wanted(home, effect):
        return
    record = ApprovalWanted(
        plan=plan.plan_id,
        effect=effect,
        pools=tuple(plan.pools),
        version=plan.target.version,
        nodes=len(plan.begin().goals),
        required=state.rule.required,
    )
    home.store.journal.append([to_record(record)], at=home.now(), actor=actor)


def _is_decided_or_wanted(home: Home, effect: str) -> bool:
    known = False
    for entry in home.store.journal.entries(kinds=("approval-wanted", "approve", "reject")):
        record = from_record(entry.record)
        if isinstance(record, ApprovalWanted | PlanApproved | PlanRejected) and record.effect == effect:
            known = not isinstance(record, PlanApproved)
    return known
