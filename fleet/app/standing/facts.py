"""Gathers what decisions about standing policies read: the policy, the inventory and the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from fleet.app.planning.effects import state_of
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.approval.ledger import enough
from fleet.core.objects.known_node import KnownNode
from fleet.core.planning.plan import Plan, short_id
from fleet.core.policy.policy import Policy, Pool, site_of
from fleet.core.policy.upgrades.approver import needs_users
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import PolicyResumed
from fleet.core.standing.facts import AskedPlan, RunningNodes, StandingFacts
from fleet.core.standing.past import PastRollout
from fleet.drivers.journal.approvals import ledger_of

RESUMES = ("resume-policy",)
"""The kind of the journal's records by which operators resume standing policies."""


def facts_of(home: Home, policy: Policy, pools: Sequence[Pool]) -> Sequence[StandingFacts]:
    """Returns the facts of each of the pools, by the inventory and the journal as they are now."""
    fleet = running_nodes(policy, home.store.inventory.nodes())
    past = [PastRollout.of(rollout) for rollout in Rollouts.load(home.store).all]
    resumed = _resumed(home)
    return [
        StandingFacts(policy, pool, fleet, past, tuple(_asked(home, policy, pool)), resumed.get(pool.name))
        for pool in pools
    ]


def running_nodes(policy: Policy, rows: Iterable[KnownNode]) -> tuple[RunningNodes, ...]:
    """Returns what the nodes of all pools run, and since when all nodes of a place run it."""
    counts: dict[tuple[str, str, str, str], list[datetime | None]] = {}
    for row in rows:
        pool = policy.pool_of(row.cluster, row.node) if row.node is not None else None
        if row.node is None or pool is None:
            continue
        version = policy.version_of(row.machine.booted if row.machine is not None else None)
        key = (pool.name, row.cluster, site_of(row.node, row.site), version)
        counts.setdefault(key, []).append(row.since)
    return tuple(
        RunningNodes(*key, count=len(since), since=_latest(since)) for key, since in sorted(counts.items())
    )


def standing_plans(home: Home, name: str) -> Iterator[Plan]:
    """Yields the plans that the policy of this name has made for users to approve: the last one, and those that users
    have approved."""
    last = home.store.plans.last_of(name)
    approved = [each.plan for each in ledger_of(home.store.journal).approvals if each.asked_by == name]
    found = [last, *(home.store.plans.find(plan) for plan in dict.fromkeys(approved))]
    seen: set[str] = set()
    for plan in found:
        if plan is not None and plan.plan_id not in seen:
            seen.add(plan.plan_id)
            yield plan


def _asked(home: Home, policy: Policy, pool: Pool) -> Iterator[AskedPlan]:
    """Yields the plans for users to approve that would still be the same now."""
    if not needs_users(pool):
        return
    known = {row.name for row in home.store.clusters.list()}
    for plan in standing_plans(home, identity_of(pool)):
        if policy.find_release(plan.target.version) is None:
            continue
        snapshots = [home.store.inventory.snapshot(name) for name in plan.clusters if name in known]
        state = state_of(home, plan, snapshots, policy)
        if not state.changes:
            approved = enough(state.approvals, state.rule.required)
            yield AskedPlan(plan.target.version, short_id(plan.plan_id), approved)


def identity_of(pool: Pool) -> str:
    """Returns the name by which the standing policy of the pool makes and starts plans."""
    return f"policy/{pool.name}"


def _resumed(home: Home) -> Mapping[str, datetime]:
    """Returns when operators last resumed standing policies, by pool."""
    found: dict[str, datetime] = {}
    for entry in home.store.journal.entries(kinds=RESUMES):
        record = from_record(entry.record)
        if isinstance(record, PolicyResumed):
            found[record.pool] = entry.at
    return found


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    known = list(times)
    return max((time for time in known if time is not None), default=None) if None not in known else None
