"""Tells what the standing policies do next, and why. Nothing is done."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.app.standing.facts import facts_of
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named
from fleet.core.policy.policy import Policy, Pool
from fleet.core.records.errors import UsageError
from fleet.core.standing.decision import StandingDecision, decide
from fleet.core.standing.outlook import outlook_of
from fleet.core.standing.standing_pool import StandingList

HOW = "upgrade: auto in fleet.yaml gives a pool one; see docs/standing.md"


def chosen_pools(policy: Policy, names: Sequence[str]) -> tuple[Pool, ...]:
    """Returns the named pools; without names all with a standing policy. Raises UsageError for a name that the policy
    does not have, and where no pool, or a named one, has one."""
    if not names:
        if not policy.automatic:
            raise UsageError("no pool has a standing policy", HOW)
        return policy.automatic
    found = tuple(pool_named(policy, name) for name in names)
    for pool in found:
        if pool not in policy.automatic:
            raise UsageError(
                f"pool {pool.name} has no standing policy",
                HOW,
            )
    return found


def outlook(home: Home, names: Sequence[str] = ()) -> StandingList:
    """Returns what each pool does next, and why, as of the last sync; without names all pools of the policy, also those
    that operators upgrade. Raises UsageError for a name that the policy does not have, and ConfigError for a policy with
    mistakes."""
    policy, now = home.policy(), home.now()
    pools = [pool_named(policy, name) for name in names] or policy.pools
    found = facts_of(home, policy, pools)
    return StandingList(now, tuple(outlook_of(facts, decide(facts, now)) for facts in found))


def decisions(home: Home, names: Sequence[str] = ()) -> tuple[StandingDecision, ...]:
    """Returns what each standing policy does next, and why, as of the last sync; nothing is done. Raises as
    `chosen_pools`, and ConfigError for a policy with mistakes."""
    policy = home.policy()
    now = home.now()
    return tuple(decide(facts, now) for facts in facts_of(home, policy, chosen_pools(policy, names)))
