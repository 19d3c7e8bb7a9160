"""Says who approves the plans of a standing policy."""

from __future__ import annotations

from msgspec import UnsetType

from fleet.core.policy.policy import ApprovalRule, Pool
from fleet.core.policy.upgrades.upgrade_rule import UpgradeRule


def needs_users(pool: Pool) -> bool:
    """Returns whether users approve the plans of the pool's standing policy, and not the policy itself."""
    rule = UpgradeRule() if isinstance(pool.upgrade, UnsetType) else pool.upgrade
    if not isinstance(rule.approval, UnsetType):
        return rule.approval == "user"
    return isinstance(pool.approvals, ApprovalRule) and pool.approvals.required > 0
