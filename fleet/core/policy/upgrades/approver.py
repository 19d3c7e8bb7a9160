"""Answers what a pool's standing policy is, and who approves its plans."""

from __future__ import annotations

from msgspec import UnsetType

from fleet.core.policy.policy import ApprovalRule, Pool
from fleet.core.policy.upgrades.upgrade_rule import UpgradeRule


def rule_of(pool: Pool) -> UpgradeRule:
    """Returns the rule of the pool's standing policy; the default one where the pool has none."""
    return UpgradeRule() if isinstance(pool.upgrade, UnsetType) else pool.upgrade


def needs_users(pool: Pool) -> bool:
    """Returns whether users approve the plans of the pool's standing policy, and not the policy itself."""
    rule = rule_of(pool)
    if not isinstance(rule.approval, UnsetType):
        return rule.approval == "user"
    return isinstance(pool.approvals, ApprovalRule) and pool.approvals.required > 0
