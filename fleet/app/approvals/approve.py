"""Approves and rejects plans. Each is a record in the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleet.app.access.allowed import allowed
from fleet.app.access.caller import Caller
from fleet.app.planning.effects import changes, files_of, hash_of, plan_again, state_of
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.approval.effect import effect_of
from fleet.core.approval.ledger import Ledger
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.plan import Plan, short_id
from fleet.core.policy.access import Role
from fleet.core.records.errors import HeldError, JournalMovedError, NotAllowedError, UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import PlanApproved, PlanRejected
from fleet.drivers.journal.approvals import ledger_of

ReadClusters = Callable[[Sequence[str]], Sequence[Snapshot]]
"""Reads clusters again, and leaves out those that do not answer."""


def approve(
    home: Home,
    plan: Plan,
    fresh: ReadClusters,
    comment: str = "",
    override: str = "",
    object_uid: str = "",
) -> PlanApproved:
    """Approves the effect of a plan, and keeps the plan. `override`: the reason for which the rollout may also start in
    a freeze; empty: it may not. `object_uid`: of the object of the API by which it is approved.

    Raises NotAllowedError without the role, and for the plan's own maker; UsageError for a second approval by the same
    person; HeldError where the plan would differ now.
    """
    caller = allowed(home, Role.APPROVER, "approve plans")
    _refuse_own(plan, caller)
    policy = home.policy()
    snapshots = fresh(plan.clusters)
    state = state_of(home, plan, snapshots, policy)
    if state.changes:
        raise HeldError(
            "\n  ".join([f"plan {short_id(plan.plan_id)} would differ now:", *changes(state.changes)]),
            f"a new plan: {plan_again(plan)}",
        )
    record = PlanApproved(
        plan=plan.plan_id,
        effect=hash_of(state.effect),
        covers=dict(state.effect),
        by=caller.identity,
        asked_by=plan.maker,
        files=dict(files_of(plan)),
        reason=comment,
        object_uid=object_uid,
        override=override,
    )

    def check(ledger: Ledger) -> None:
        mine = ledger.in_force(state.effect, home.now(), state.rule.valid_seconds)
        if any(
            each.by.name == caller.identity.name
            and each.files == record.files
            and each.override == record.override
            for each in mine
        ):
            raise UsageError(
                f"{caller.identity.name} has approved plan {short_id(plan.plan_id)} already, and counts once",
                "fleet plan approvals",
            )

    _commit(home, plan, record, caller, check)
    return record


def reject(home: Home, plan: Plan, reason: str, object_uid: str = "") -> PlanRejected:
    """Rejects the effect of a plan: earlier approvals no longer count, whichever plan they named. `object_uid`: as in
    `approve`.

    Raises NotAllowedError without the role, UsageError without a reason, HeldError where a rollout with that effect is
    active."""
    caller = allowed(home, Role.APPROVER, "reject plans")
    if not reason.strip():
        raise UsageError("a rejection needs a reason", "--reason TEXT")
    effect = effect_of(plan.begin())
    record = PlanRejected(
        plan=plan.plan_id,
        effect=hash_of(effect),
        by=caller.identity,
        reason=reason.strip(),
        object_uid=object_uid,
    )

    def check(ledger: Ledger) -> None:
        for rollout in Rollouts.load(home.store).active:
            if effect_of(rollout.start) == effect:
                raise HeldError(
                    f"rollout {rollout.id} of this plan was started by {rollout.by}: a rejection comes too late",
                    f"fleet rollout abort {rollout.id}",
                )

    _commit(home, plan, record, caller, check)
    return record


def _refuse_own(plan: Plan, caller: Caller) -> None:
    if not plan.maker:
        raise UsageError(
            f"who made plan {short_id(plan.plan_id)} is not known, so nobody can approve it",
            f"a new plan: {plan_again(plan)}",
        )
    if plan.maker == caller.identity.name:
        raise NotAllowedError(
            f"{caller.identity.name} made plan {short_id(plan.plan_id)}: nobody approves their own",
            "another user with the role approver approves it: fleet access show lists them",
        )


def _commit(
    home: Home,
    plan: Plan,
    record: PlanApproved | PlanRejected,
    caller: Caller,
    check: Callable[[Ledger], None],
) -> None:
    """Keeps the plan and writes the record, if `check` raises nothing about the journal as it is at that moment."""
    journal = home.store.journal
    # Saved, not only kept: its maker may have made another plan meanwhile, which replaced it.
    home.store.plans.save(plan)
    while True:
        newest = journal.last()
        check(ledger_of(home.store.journal))
        seen = newest.seq if newest is not None else 0
        try:
            journal.append([to_record(record)], at=home.now(), actor=caller.actor, last=seen)
        except JournalMovedError:
            continue
        return
