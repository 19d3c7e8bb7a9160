"""The effect of a plan: everything that decides what a rollout of the plan changes, where, and within which limits.

An approval is of an effect and not of one plan, so that a new plan with the same effect needs no new approval. Estimated
times and the predicted order are no part of the effect: the engine asks its guards again before each action, whatever
the plan predicted. A key of the policy is part of the effect unless it is named here, so that no new key is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.policy.policy import ApprovalRule, Policy
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal, Start

Effect = Mapping[str, Any]
"""Plain JSON with the keys `target`, `nodes`, `pools` and `fleet`, without fractions: what an approval covers."""

NODE_CHOICE = ("name", "selector", "clusters", "stream", "version", "approvals", "upgrade")
"""Keys of a pool that only decide which nodes the plan has, to which release they go, when, or who must agree. The effect
has the nodes and the release themselves."""
NOT_OF_FLEET = ("pools", "streams")
"""Keys of the policy that an effect does not have as they are: it has the plan's pools, and the target."""
LARGEST = 2**53
"""Canonical JSON (RFC 8785) has no exact integers from here on: such integers become text."""


def effect_of(start: Start) -> Effect:
    """Returns the effect of the rollout that begins with `start`."""
    return make_effect(start.release, start.policy, start.goals)


def make_effect(release: Release | None, policy: Policy, goals: Iterable[Goal]) -> Effect:
    """Returns the effect of upgrading the goals' nodes to the release under the rules of the policy. `release`: None if
    no stream has the release any more."""
    goals = sorted(goals, key=lambda goal: goal.node)
    used = {goal.pool for goal in goals}
    whole = msgspec.to_builtins(policy)
    effect: Effect = _exact(
        {
            "target": msgspec.to_builtins(_without_offer(release)),
            "nodes": {
                str(goal.node): {
                    "uid": goal.uid,
                    "pool": goal.pool,
                    "site": goal.site,
                    "zone": goal.zone,
                    "from": goal.from_version,
                    "canary": goal.canary,
                }
                for goal in goals
            },
            "pools": {
                pool["name"]: {key: value for key, value in pool.items() if key not in NODE_CHOICE}
                for pool in whole["pools"]
                if pool["name"] in used
            },
            "fleet": {key: value for key, value in whole.items() if key not in NOT_OF_FLEET},
        }
    )
    return effect


def _without_offer(release: Release | None) -> Release | None:
    """Returns the release without how it is offered at present, which changes by the hour and makes no other release of
    it."""
    return None if release is None else replace(release, rollout=UNSET, upgrades_from=UNSET)


def rule_of(policy: Policy, pools: Iterable[str]) -> ApprovalRule:
    """Returns the strictest combination of the approval rules of the named pools."""
    named = [pool.approvals for name in pools if (pool := policy.pool(name)) is not None]
    return strictest(rule for rule in named if isinstance(rule, ApprovalRule))


def strictest(rules: Iterable[ApprovalRule]) -> ApprovalRule:
    """Returns the rule that asks for as much as each of the rules does: the most approvals, the shortest validity."""
    rules = list(rules)
    if not rules:
        return ApprovalRule()
    return ApprovalRule(
        max(rule.required for rule in rules),
        min(rule.valid_seconds for rule in rules),
        max(rule.override for rule in rules),
    )


def _exact(value: Any) -> Any:
    match value:
        case dict():
            return {key: _exact(each) for key, each in value.items()}
        case list() | tuple():
            return [_exact(each) for each in value]
        case int() if not isinstance(value, bool) and abs(value) >= LARGEST:
            return str(value)
    return value
