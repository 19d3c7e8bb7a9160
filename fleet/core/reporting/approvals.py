"""All approvals and rejections, with what became of each. The structs are the published JSON of `fleet plan approvals`
(`docs/schemas/approvals.json`)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from fleet.core.approval.effect import rule_of
from fleet.core.approval.ledger import ApprovalState, Ledger, PlanApproval, PlanRejection
from fleet.core.policy.policy import Policy
from fleet.core.records.identity import Identity
from fleet.core.rollout.goal import StartApproval
from fleet.core.rollout.rollout import Rollout


class ApprovalEntry(Struct, frozen=True):
    """One approval or rejection in the list (`fleet plan approvals -o json`)."""

    kind: Literal["approval", "rejection"]
    at: datetime
    by: Identity
    plan: str
    effect: str
    """The hash of what was approved or rejected."""
    asked_by: str = ""
    """The user who made the plan. Empty: a rejection."""
    text: str = ""
    """The approver's comment, or the reason of the rejection."""
    override: str = ""
    """The reason for which a start in a freeze was approved too. Empty: it was not."""
    state: ApprovalState | Literal[""] = ""
    """The present state of the approval. Empty: a rejection."""
    expires: datetime | None = None
    covers: dict[str, Any] | None = None
    """The approved effect. None: a rejection."""
    files: dict[str, str] = {}
    """SHA-256 of the playbooks that the plan's pools name, by path."""
    rollouts: tuple[str, ...] = ()
    """The rollouts that were started on the strength of the approval."""


class ApprovalList(Struct, frozen=True):
    """All approvals and rejections, newest first."""

    approvals: tuple[ApprovalEntry, ...]


def approval_list(
    ledger: Ledger, rollouts: Iterable[Rollout], policy: Policy, now: datetime, effect: str = ""
) -> ApprovalList:
    """Returns all approvals and rejections; with `effect` only those of that hash. The policy says how long an approval is
    in force."""
    used = _used(rollouts)
    entries = [
        *(_approval(approval, used.get(approval.entry, ()), policy, now) for approval in ledger.approvals),
        *(_rejection(rejection) for rejection in ledger.rejections),
    ]
    chosen = [entry for entry in entries if effect in ("", entry.effect)]
    return ApprovalList(tuple(sorted(chosen, key=lambda entry: entry.at, reverse=True)))


def _used(rollouts: Iterable[Rollout]) -> dict[str, tuple[str, ...]]:
    """Returns the rollouts that were started on the strength of an approval, by the approval's place in the journal."""
    used: dict[str, tuple[str, ...]] = {}
    for rollout in rollouts:
        approval = rollout.start.approval
        for given in approval.given if isinstance(approval, StartApproval) else ():
            used[given.entry] = (*used.get(given.entry, ()), rollout.id)
    return used


def _approval(
    approval: PlanApproval, rollouts: tuple[str, ...], policy: Policy, now: datetime
) -> ApprovalEntry:
    valid = rule_of(policy, approval.covers["pools"]).valid_seconds
    return ApprovalEntry(
        "approval",
        approval.at,
        approval.by,
        approval.plan,
        approval.effect,
        approval.asked_by,
        approval.comment,
        approval.override,
        approval.state(now, valid),
        approval.expires(valid),
        dict(approval.covers),
        dict(approval.files),
        rollouts,
    )


def _rejection(rejection: PlanRejection) -> ApprovalEntry:
    return ApprovalEntry(
        "rejection", rejection.at, rejection.by, rejection.plan, rejection.effect, text=rejection.reason
    )
