"""Asks, right before a rollout does anything, whether its plan is still approved."""

from __future__ import annotations

from datetime import datetime

from fleet.core.approval.effect import Effect, effect_of, rule_of
from fleet.core.approval.ledger import Ledger, enough
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step

UNTOUCHED = (Step.PENDING, Step.CANCELLED)
"""The steps of the runs of a rollout that has not begun: nothing was written to any machine."""


class ApprovalGate:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._effects: dict[str, Effect] = {}
        """The effects that were computed so far, by rollout: the effect of a rollout never changes."""

    def lacking(self, rollout: Rollout, now: datetime) -> str:
        """Returns which approvals the rollout lacks; empty where it lacks none, or has begun: an approval is for the
        beginning, and does not expire under a rollout that is under way."""
        if any(rollout.counts[step] for step in Step if step not in UNTOUCHED):
            return ""
        rule = rule_of(rollout.policy, rollout.open_in)
        if not rule.required:
            return ""
        if rollout.id not in self._effects:
            self._effects[rollout.id] = effect_of(rollout.start)
        approvals = self.ledger.in_force(self._effects[rollout.id], now, rule.valid_seconds)
        if enough(approvals, rule.required):
            return ""
        return f"{len(approvals)} of {rule.required} approvals of its plan are in force"
