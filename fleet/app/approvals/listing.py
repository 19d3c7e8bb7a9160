"""Lists approvals and rejections."""

from __future__ import annotations

from fleet.app.planning.effects import hash_of
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.approval.effect import effect_of
from fleet.core.planning.plan import Plan
from fleet.core.reporting.approvals import ApprovalList, approval_list
from fleet.drivers.journal.approvals import ledger_of


def approvals(home: Home, plan: Plan | None = None) -> ApprovalList:
    """Returns all approvals and rejections, newest first; with `plan` only those of the same effect."""
    effect = hash_of(effect_of(plan.begin())) if plan is not None else ""
    rollouts = Rollouts.load(home.store).all
    return approval_list(ledger_of(home.store.journal), rollouts, home.policy_if_any(), home.now(), effect)
