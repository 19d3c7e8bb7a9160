"""Starts a rollout: a plan that still fits the fleet becomes a record in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.staleness import added_nodes, changed_nodes
from fleet.app.wiring.actor import actor
from fleet.app.wiring.home import Home
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.plan import Plan, short_id
from fleet.core.records.errors import HeldError, JournalMovedError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import RolloutStarted
from fleet.core.rollout.goal import Start
from fleet.core.rollout.rollout import Rollout

SHOWN = 5
"""The most changes that the refusal of a stale plan names."""


class Started(Struct, frozen=True):
    rollout: str
    notes: tuple[str, ...] = ()
    """Notes that an operator should read before the rollout goes on."""


def start(home: Home, plan: Plan, fresh: Callable[[Sequence[str]], Sequence[Snapshot]]) -> Started:
    """Commits the start of a rollout of the plan; a controller picks the rollout up.

    `fresh` reads those clusters again and leaves out the ones that do not answer. Raises HeldError where a pool has a
    rollout already, or the clusters are no longer as the plan assumes; ConfigError for a policy with mistakes.
    """
    store = home.store
    begin = plan.begin()
    if not begin.goals:
        raise HeldError(f"plan {short_id(plan.plan_id)} has nothing to do", "fleet status")
    ensure_pools_free(Rollouts.load(store).active, plan)
    other = home.policy() != plan.policy
    snapshots = fresh(plan.clusters)
    changed = changed_nodes(plan, snapshots)
    if changed:
        more = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
        again = f"fleet rollout rollback {plan.rolls_back} --to {plan.target.version}"
        if not plan.rolls_back:
            again = f"fleet plan --pool {' --pool '.join(plan.pools)} --to {plan.target.version}"
        raise HeldError(
            "\n  ".join([f"plan {short_id(plan.plan_id)} is stale:", *changed[:SHOWN], *more]),
            f"a new plan: {again}",
        )
    # The plan is kept before the start, so that a started plan exists for as long as its rollout is shown.
    store.plans.keep(plan.plan_id)
    ident = _commit(home, plan, begin)
    new = added_nodes(plan, snapshots)
    notes = [f"{len(new)} nodes have joined the pool since the plan: {', '.join(new[:SHOWN])}"] if new else []
    if other:
        notes.append(
            f"{home.policy_file} has changed since the plan, and this rollout follows the plan's policy: freezes and "
            "windows that were added later do not hold it; a new plan uses the file"
        )
    return Started(ident, tuple(notes))


def _commit(home: Home, plan: Plan, begin: Start) -> str:
    """Writes the start under the next free id and returns the id. Where two processes start at the same moment, one of
    them sees the other's record."""
    journal = home.store.journal
    while True:
        newest = journal.last()
        rollouts = Rollouts.load(home.store)
        ensure_pools_free(rollouts.active, plan)
        ident = rollouts.next_id
        record = to_record(RolloutStarted(rollout=ident, start=begin))
        seen = newest.seq if newest is not None else 0
        try:
            journal.append([record], at=home.now(), actor=actor(), last=seen)
        except JournalMovedError:
            continue
        return ident


def ensure_pools_free(active: Iterable[Rollout], plan: Plan) -> None:
    """Raises HeldError with the rollout that has one of the plan's pools."""
    for rollout in active:
        pools = {run.goal.pool for run in rollout.runs.values()}
        for pool in plan.pools:
            if pool in pools:
                raise HeldError(
                    f"pool {pool} is in rollout {rollout.id} ({rollout.state}), started by {rollout.by}",
                    f"wait for it, or: fleet rollout abort {rollout.id}",
                )
