"""Loosens the constraints that bind a plan, one at a time. The planner plans with each change, and users decide which
ones to allow.

Neither a cluster nor a policy is changed: the changed snapshots and policies only serve to plan with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.records.reasons.reason import Reason

MOST = 6
"""The most changes that are planned with, one plan each. All useful changes together take one more plan."""
BUDGETS = 3
"""The most budgets among these changes. Where many budgets bind equally, this leaves room for limits and staging."""
NEAR = 0.25
"""A constraint that binds less than this share of the one that binds most is not worth a plan."""
LEAST_GAIN = 1 / 30
"""A change that cannot save more than this share of the makespan is not worth a plan."""
LIMITS = {
    Reason.POOL_LIMIT: "max_unavailable",
    Reason.SITE_LIMIT: "per_site",
    Reason.CLUSTER_LIMIT: "per_cluster",
    Reason.ZONE_LIMIT: "per_zone",
}

Bind = tuple[str, ...]
"""A binding constraint: ("budget", cluster, namespace/name), ("limit", reason, pool), ("stage", pool) or ("windows",). The
pool of a limit of the whole fleet is empty."""


class WhatIfChange(Struct, frozen=True):
    """One loosened constraint, and the plan that results."""

    binds: str
    """The constraint that binds now, as a text for users. Empty: all changes that help are made together."""
    change: str
    """The change, as a text for users."""
    makespan_seconds: float
    saved_seconds: float
    """Seconds. Negative: the plan takes longer, for example because more nodes can go."""
    nodes: int
    """The number of nodes that the plan upgrades after the change."""
    bound_by: str
    """The constraint that binds after the change."""
    at_most: Literal[True] | UnsetType = UNSET
    """Set for a change that no plan was made with, because it can save no more than a thirtieth of the makespan:
    `saved_seconds` is the most that the change can save, and `makespan_seconds` the lower bound after the change."""


class WhatIf(Struct, frozen=True):
    """The changes that users could allow, with the plan that results from each."""

    plans: int
    """The number of plans that were made to find the changes."""
    changes: tuple[WhatIfChange, ...] = ()
    """Ordered by how many nodes the plan upgrades, then by the time that the change saves; most first. Changes that no plan
    was made with (`at_most`) follow the others."""


class Loosened(NamedTuple):
    """The snapshots and the policy to plan with after one constraint is loosened."""

    binds: str
    change: str
    snapshots: Sequence[Snapshot]
    policy: Policy


def candidates(binds: Iterable[tuple[float, Bind]], never: Iterable[Bind], windows: bool) -> list[Bind]:
    """Returns the constraints that are worth a plan, those that bind most first, `MOST` at most.

    `binds`: each with the seconds that it needs at least. `never`: budgets that allow no eviction. `windows`: whether
    some windows are closed at times.
    """
    ordered = sorted(
        ((seconds, bind) for seconds, bind in binds if bind), key=lambda bind: (-bind[0], bind[1])
    )
    worth = [bind for seconds, bind in ordered if seconds >= NEAR * ordered[0][0]]
    budgets = list(dict.fromkeys(bind for bind in worth if bind[0] == "budget"))[:BUDGETS]
    rest = (bind for bind in worth if bind[0] != "budget" or bind in budgets)
    first: list[Bind] = [("windows",)] if windows else []
    return list(dict.fromkeys([*first, *list(dict.fromkeys(never))[:2], *rest]))[:MOST]


def loosened(bind: Bind, snapshots: Sequence[Snapshot], policy: Policy) -> Loosened | None:
    """Returns the snapshots and the policy with this constraint loosened, or None if nothing is left to loosen."""
    match bind:
        case ("budget", cluster, ref):
            return _budget(cluster, ref, snapshots, policy)
        case ("limit", reason, pool):
            return _limit(Reason(reason), pool, snapshots, policy)
        case ("stage", name):
            return _stage(name, snapshots, policy)
        case _:
            pools = tuple(replace(pool, windows=(), recurring=UNSET, unread=UNSET) for pool in policy.pools)
            free = replace(policy, pools=pools, freezes=(), calendars=UNSET, levels=UNSET)
            return Loosened("windows and freezes", "keep windows open and freezes away", snapshots, free)


def _budget(cluster: str, ref: str, snapshots: Sequence[Snapshot], policy: Policy) -> Loosened | None:
    change = ""
    changed = []
    for snapshot in snapshots:
        budgets = list(snapshot.budgets)
        for index, budget in enumerate(budgets):
            if snapshot.cluster == cluster and str(budget.ref) == ref and budget.desired_healthy > 0:
                budgets[index], change = _one_more(budget)
        changed.append(replace(snapshot, budgets=tuple(budgets)) if snapshot.cluster == cluster else snapshot)
    of_cluster = f" of cluster {cluster}" if len(snapshots) > 1 else ""
    return Loosened(f"budget {ref}{of_cluster}", change, changed, policy) if change else None


def _one_more(budget: Budget) -> tuple[Budget, str]:
    """Returns the budget with one more pod allowed to be away, and the change as a text. Percentages are replaced by
    numbers of pods."""
    desired = budget.desired_healthy - 1
    allowed = budget.expected_pods - desired
    status = replace(budget, desired_healthy=desired, disruptions_allowed=budget.disruptions_allowed + 1)
    if budget.min_available is not None:
        return replace(status, min_available=desired), f"lower minAvailable to {desired}"
    return replace(status, max_unavailable=allowed), f"raise maxUnavailable to {allowed}"


def _limit(reason: Reason, name: str, snapshots: Sequence[Snapshot], policy: Policy) -> Loosened | None:
    pool = policy.pool(name) if name else None
    limits = pool.limits if pool is not None else policy.limits
    field = LIMITS[reason]
    amount: Amount | None = getattr(limits, field)
    if amount is None or (amount.percent and amount.number >= 100):
        return None
    doubled = Amount(min(100, 2 * amount.number) if amount.percent else 2 * amount.number, amount.percent)
    wider: Limits = replace(limits, **{field: doubled})
    if pool is not None:
        changed = _with_pool(policy, replace(pool, limits=wider))
    else:
        changed = replace(policy, limits=wider)
    binds = f"{field} {amount} of {f'pool {name}' if name else 'the fleet'}"
    return Loosened(binds, f"raise {field} to {doubled}", snapshots, changed)


def _stage(name: str, snapshots: Sequence[Snapshot], policy: Policy) -> Loosened | None:
    pool = policy.pool(name)
    if pool is None:
        return None
    doubled = 2 * pool.stage.concurrency
    changed = _with_pool(policy, replace(pool, stage=replace(pool.stage, concurrency=doubled)))
    binds = f"stage.concurrency {pool.stage.concurrency} of pool {name}"
    return Loosened(binds, f"raise stage.concurrency to {doubled}", snapshots, changed)


def _with_pool(policy: Policy, changed: Pool) -> Policy:
    pools = (changed if pool.name == changed.name else pool for pool in policy.pools)
    return replace(policy, pools=tuple(pools))


def best_first(changes: Iterable[WhatIfChange]) -> Iterator[WhatIfChange]:
    """Yields the changes ordered by the nodes that they let go, then by the time that they save; most first. Those that no
    plan was made with follow the others."""
    yield from sorted(
        changes,
        key=lambda change: (-change.nodes, change.at_most is True, -change.saved_seconds, change.binds),
    )
