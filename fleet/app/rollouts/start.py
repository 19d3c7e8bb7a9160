"""Starts a rollout: a plan that still fits the fleet becomes a record in the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.access.allowed import allowed
from fleet.app.planning.approvals_wanted import want_approvals
from fleet.app.planning.effects import has_rule, plan_again, refuse_unapproved, start_of, state_of
from fleet.app.planning.override import ensure_override_approved
from fleet.app.planning.rule_approval import approved_by_rule, start_by_rule
from fleet.app.rollouts.calendars import calendars_at_start, policy_as_read
from fleet.app.rollouts.freezes import freezes_at_start, policy_of_now, with_freezes_of
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.staleness import added_nodes, changed_nodes
from fleet.app.rollouts.standstill import standstill
from fleet.app.wiring.home import Home
from fleet.config.policy import PolicyFile
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import Plan, short_id
from fleet.core.policy.access import Role
from fleet.core.records.errors import HeldError, JournalMovedError, UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import CommandRecord, PlanApproved, RolloutStarted
from fleet.core.rollout.goal import StandingStart, Start, StartObject
from fleet.core.rollout.rollout import Rollout
from fleet.core.text.durations import format_age, format_duration

SHOWN = 5
"""The most changes that the refusal of a stale plan names."""


class StandingOrder(NamedTuple):
    """Names how a standing policy starts its own plan."""

    standing: StandingStart
    by_rule: bool
    """Whether its rule approves the plan, and no user has to."""
    check: Callable[[], None]
    """Raises HeldError where the policy would not start this plan by the journal as it is now."""


class Started(Struct, frozen=True):
    rollout: str
    notes: tuple[str, ...] = ()
    """Notes that an operator should read before the rollout goes on."""


def start(
    home: Home,
    plan: Plan,
    fresh: Callable[[Sequence[str]], Sequence[Snapshot]],
    override: str | None = None,
    order: StandingOrder | None = None,
    asked: StartObject | None = None,
) -> Started:
    """Commits the start of a rollout of the plan; a controller picks the rollout up.

    `override` is the reason for which the rollout ignores freezes; None: it waits for them. `fresh` reads those clusters
    again and leaves out the ones that do not answer. `order`: a standing policy starts its plan, in its own name. `asked`:
    the object of the API by which the rollout is asked for.

    Raises NotAllowedError without the role; HeldError where another rollout has one of the plan's pools or nodes, the
    clusters are no longer as the plan assumes, or approvals are missing; ConfigError for a policy with mistakes; UsageError
    for an override without a reason.
    """
    if override is not None and not (override.strip() and override.isprintable()):
        raise UsageError("--override-freeze needs a reason, in one line", '--override-freeze "CVE-2026-1234"')
    caller = allowed(home, Role.OPERATOR, "start rollouts")
    store = home.store
    begin = _begin(plan, order, asked)
    if not begin.goals:
        raise HeldError(f"plan {short_id(plan.plan_id)} has nothing to do", "fleet status")
    ensure_nodes_free(home, begin, plan.pools)
    # Calendars are fetched with the clusters, and the policy has their events.
    snapshots = fresh(plan.clusters)
    policy = home.policy()
    changed = changed_nodes(plan, snapshots)
    if changed:
        more = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
        raise HeldError(
            "\n  ".join([f"plan {short_id(plan.plan_id)} is stale:", *changed[:SHOWN], *more]),
            f"a new plan: {plan_again(plan)}",
        )
    # The plan is saved before the start, so that a started plan exists for as long as its rollout is shown: its maker
    # may have made another plan meanwhile, which replaced it.
    store.plans.save(plan)

    def checked() -> tuple[Start, Sequence[PlanApproved]]:
        refuse_started(home, asked)
        ensure_nodes_free(home, begin, plan.pools)
        wanted, given = begin, list[PlanApproved]()
        if order is not None:
            order.check()
        if order is not None and order.by_rule:
            state = state_of(home, plan, snapshots, policy)
            given = [approved_by_rule(plan, state, order.standing)]
            wanted = start_by_rule(begin, state, given[0], home.now())
        elif has_rule(plan, policy):
            state = state_of(home, plan, snapshots, policy)
            want_approvals(home, caller.actor, plan, state)
            refuse_unapproved(home, plan, state, override=override is not None)
            wanted = start_of(plan, state, begin)
        if override is None:
            return wanted, given
        ensure_override_approved(home, plan)
        return replace(wanted, override_freeze=override.strip()), given

    actor = caller.actor if order is None else order.standing.identity
    ident = _commit(home, actor, checked, home.whole_policy())
    # A standing policy leaves nodes out on purpose, and its plan was made a moment ago.
    new = added_nodes(plan, snapshots) if order is None else []
    notes = [f"{len(new)} nodes have joined the pool since the plan: {', '.join(new[:SHOWN])}"] if new else []
    if policy != with_freezes_of(policy_as_read(plan.policy, policy), policy):
        notes.append(
            f"{home.policy_file} has changed since the plan, and this rollout follows the plan's policy: windows that "
            "were added later do not hold it, freezes do; a new plan uses the file"
        )
    if override is not None:
        notes.append("no freeze holds this rollout; windows do, and the plan's times count the freezes")
    return Started(ident, tuple(notes))


def _commit(
    home: Home, actor: str, checked: Callable[[], tuple[Start, Sequence[PlanApproved]]], file: PolicyFile
) -> str:
    """Writes the start under the next free id and returns the id. Where two processes start at the same moment, one of
    them sees the other's record. `checked` returns the start and the approvals that are written with it, or raises the
    refusal by the journal as it is then."""
    journal = home.store.journal
    while True:
        newest = journal.last()
        begin, approvals = checked()
        ident = Rollouts.load(home.store).next_id
        records: list[CommandRecord] = [*approvals, RolloutStarted(rollout=ident, start=begin)]
        if calendars := calendars_at_start(ident, begin, file):
            records.append(calendars)
        if freezes := freezes_at_start(ident, begin, policy_of_now(home), home.now()):
            records.append(freezes)
        seen = newest.seq if newest is not None else 0
        try:
            journal.append([*map(to_record, records)], at=home.now(), actor=actor, last=seen)
        except JournalMovedError:
            continue
        return ident


def _begin(plan: Plan, order: StandingOrder | None, asked: StartObject | None) -> Start:
    """Returns what the rollout starts with, with the standing policy or the object that it is for."""
    begin = plan.begin() if order is None else replace(plan.begin(), standing=order.standing)
    return begin if asked is None else replace(begin, object=asked)


def refuse_started(home: Home, asked: StartObject | None) -> None:
    """Raises HeldError where a rollout was started for this object already."""
    if asked is None:
        return
    for rollout in Rollouts.load(home.store).all:
        begun = rollout.start.object
        if isinstance(begun, StartObject) and begun.uid == asked.uid:
            raise HeldError(
                f"{asked.name} was started already, as rollout {rollout.id}", "fleet rollout list"
            )


def ensure_nodes_free(home: Home, begin: Start, pools: Collection[str]) -> None:
    """Raises HeldError with the active rollout that has one of the pools or nodes: who started that rollout, when, and
    how long it still takes."""
    nodes = {goal.node for goal in begin.goals}
    for rollout in Rollouts.load(home.store).active:
        taken = {run.goal.pool for run in rollout.runs.values()}
        pool = next((pool for pool in pools if pool in taken), "")
        shared = sorted(nodes & rollout.runs.keys())
        if not pool and not shared:
            continue
        what = f"pool {pool}" if pool else f"node {shared[0]}"
        since = f"started by {rollout.by} {format_age(home.now() - rollout.started_at)} ago"
        raise HeldError(
            f"{what} is in rollout {rollout.id} ({rollout.state}), {since}{_how_long(home, rollout)}",
            f"wait for it (fleet rollout status {rollout.id}), or: fleet rollout abort {rollout.id}",
        )


def _how_long(home: Home, rollout: Rollout) -> str:
    plan = home.store.plans.find(rollout.start.plan)
    left = seconds_left(rollout, plan, home.now()) if plan is not None else None
    if left is None:
        return ""
    return f", done in about {format_duration(left)}" if standstill(home, [rollout]) is None else ""
