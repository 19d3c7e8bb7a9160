"""The status of a Rollout from fleet's own record of the rollout. Pure: the same record gives the same status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from fleet.core.custom_resources.condition import ConditionState, shown, updated
from fleet.core.custom_resources.condition_reason import ConditionReason as Why
from fleet.core.custom_resources.condition_reason import foremost, reason_of
from fleet.core.custom_resources.rollout import MOST_HELD, HeldNodes, RolloutStatus
from fleet.core.objects.node import NodeRef
from fleet.core.planning.plan import short_id
from fleet.core.records.held import Held
from fleet.core.rollout.goal import StartApproval
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import ENDED, RolloutState, Step

HeldByNode = Mapping[NodeRef, tuple[Held, ...]]
"""Why nodes wait, the foremost reason of each first."""


def rollout_status(
    before: RolloutStatus,
    rollout: Rollout,
    held: HeldByNode,
    now: datetime,
    generation: int,
    eta: int | None = None,
    refused: str = "",
) -> RolloutStatus:
    """Returns the status that the object of a rollout has from now on. `before`: the one that it has. `eta`: seconds
    until the rollout's end; None: unknown. `refused`: as in `rollout_conditions`. Nothing but the expected end depends on
    `now` alone."""
    first = {ref: reasons for ref, reasons in held.items() if reasons and ref in rollout.runs}
    done, approval = rollout.counts[Step.DONE], rollout.start.approval
    known = approval if isinstance(approval, StartApproval) else None
    return RolloutStatus(
        observed_generation=generation,
        conditions=updated(before.conditions, rollout_conditions(rollout, first, refused), generation, now),
        rollout=rollout.id,
        plan=short_id(rollout.start.plan),
        version=rollout.release.version,
        clusters=tuple(dict.fromkeys(ref.cluster for ref in rollout.runs)),
        progress=f"{done}/{len(rollout.runs)}",
        nodes=len(rollout.runs),
        done=done,
        working=len(rollout.runs) - _waiting(rollout) - sum(rollout.counts[step] for step in ENDED),
        failed=rollout.counts[Step.FAILED],
        cancelled=rollout.counts[Step.CANCELLED],
        held=tuple(_groups(first)),
        approvals_required=known.required if known is not None else UNSET,
        approved_by=tuple(each.by.name for each in known.given) if known is not None else (),
        started_at=_second(rollout.started_at),
        expected_end=expected_end(before.expected_end, eta, now) if rollout.active else UNSET,
        ended_at=UNSET if rollout.ended_at is None else _second(rollout.ended_at),
    )


def rollout_conditions(rollout: Rollout, held: HeldByNode, refused: str = "") -> tuple[ConditionState, ...]:
    """Returns what is true of a rollout that has begun. `refused`: why what its object asks for is refused; empty: nothing
    is."""
    needy = [reasons for reasons in held.values() if any(each.needs_action for each in reasons)]
    return (
        ConditionState("Ready", "False", Why.REFUSED, refused)
        if refused
        else ConditionState("Ready", "True", Why.PLANNED, f"carried out as rollout {rollout.id}"),
        _approved(rollout),
        _progressing(rollout, held),
        _held([each for reasons in needy for each in reasons if each.needs_action], len(needy)),
        _degraded(rollout),
        _complete(rollout),
    )


def waiting_status(
    before: RolloutStatus,
    plan: str,
    version: str,
    required: int,
    given: tuple[str, ...],
    now: datetime,
    generation: int,
) -> RolloutStatus:
    """Returns the status of a Rollout whose plan waits for approval."""
    message = f"plan {plan} needs {required} approvals, and has {len(given)}"
    states = (
        ConditionState("Ready", "True", Why.PLANNED, f"plan {plan} is kept"),
        ConditionState("Approved", "False", Why.WAITING_FOR_APPROVAL, message),
        ConditionState("Progressing", "False", Why.WAITING_FOR_APPROVAL, message),
        ConditionState("Held", "True", Why.WAITING_FOR_APPROVAL, message),
        ConditionState("Degraded", "False", Why.AS_EXPECTED, ""),
        ConditionState("Complete", "False", Why.NOT_COMPLETE, ""),
    )
    return RolloutStatus(
        observed_generation=generation,
        conditions=updated(before.conditions, states, generation, now),
        plan=plan,
        version=version,
        approvals_required=required,
        approved_by=given,
    )


def refused_status(before: RolloutStatus, message: str, now: datetime, generation: int) -> RolloutStatus:
    """Returns the status of a Rollout that cannot be planned or begun. The plan that was made for it, which approvals are
    about, stays, and so does the rollout that it once had: it must not be carried out again."""
    states = (
        ConditionState("Ready", "False", Why.REFUSED, message),
        ConditionState("Progressing", "False", Why.REFUSED, message),
        ConditionState("Complete", "False", Why.NOT_COMPLETE, ""),
    )
    return replace(
        before,
        observed_generation=generation,
        conditions=updated(before.conditions, states, generation, now),
        held=(),
        expected_end=UNSET,
    )


def expected_end(before: datetime | UnsetType, eta: int | None, now: datetime) -> datetime | UnsetType:
    """Returns the expected end in whole minutes. It stays as it is while the difference says little, so that the object is
    not written again and again: less than a minute, or a twentieth of the time that is left."""
    if eta is None:
        return UNSET
    found = now + timedelta(seconds=eta)
    if isinstance(before, datetime) and abs(found - before) <= timedelta(seconds=max(60, eta // 20)):
        return before
    return found.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _second(at: datetime) -> datetime:
    """Returns the moment as the API has it."""
    return at.replace(microsecond=0)


def _waiting(rollout: Rollout) -> int:
    return rollout.counts[Step.PENDING] + rollout.counts[Step.STAGED]


def _groups(held: HeldByNode) -> Iterator[HeldNodes]:
    """Yields the foremost reasons of the nodes, the most frequent first."""
    found = [reason for reasons in held.values() if (reason := foremost(reasons)) is not None]
    counts = Counter(str(each.reason) for each in found)
    messages = {str(each.reason): each.message for each in reversed(found)}
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    for code, nodes in ordered[:MOST_HELD]:
        yield HeldNodes(code, nodes, shown(messages[code]))


def _approved(rollout: Rollout) -> ConditionState:
    approval = rollout.start.approval
    if not isinstance(approval, StartApproval) or not approval.required:
        return ConditionState("Approved", "True", Why.NOT_REQUIRED, "the policy requires no approval")
    names = ", ".join(each.by.name for each in approval.given)
    return ConditionState("Approved", "True", Why.APPROVED, f"approved by {names}" if names else "approved")


def _progressing(rollout: Rollout, held: HeldByNode) -> ConditionState:
    """Returns whether nodes are in work, and if not, what the rollout waits for or how it has ended."""

    def no(reason: Why, message: str) -> ConditionState:
        return ConditionState("Progressing", "False", reason, message)

    match rollout.state:
        case RolloutState.FINISHED:
            return no(Why.COMPLETE, f"{rollout.counts[Step.DONE]} of {len(rollout.runs)} nodes are done")
        case RolloutState.ABORTED if not rollout.active:
            return no(Why.ABORTED, _because("aborted", rollout))
        case RolloutState.PAUSED:
            return no(Why.PAUSED, _because("paused", rollout))
        case RolloutState.HALTED:
            return no(Why.HALTED, rollout.why or "halted")
        case _ if rollout.working:
            return ConditionState("Progressing", "True", Why.IN_PROGRESS, "nodes are in work")
    reason = foremost(each for reasons in held.values() for each in reasons[:1])
    if reason is None:
        return ConditionState("Progressing", "True", Why.IN_PROGRESS, "the next nodes are about to begin")
    return no(reason_of(reason), reason.message)


def _because(what: str, rollout: Rollout) -> str:
    why = f": {rollout.why}" if rollout.why else ""
    return f"{what} by {rollout.state_by}{why}"


def _held(reasons: list[Held], nodes: int) -> ConditionState:
    first = foremost(reasons)
    if first is None:
        return ConditionState("Held", "False", Why.NOTHING_HELD, "no node waits for an operator")
    remedy = f"; {first.remedy}" if first.remedy else ""
    message = (
        f"{nodes} {'node waits' if nodes == 1 else 'nodes wait'} for an operator: {first.message}{remedy}"
    )
    return ConditionState("Held", "True", reason_of(first), message)


def _degraded(rollout: Rollout) -> ConditionState:
    failed = rollout.counts[Step.FAILED]
    if rollout.state is RolloutState.HALTED:
        return ConditionState("Degraded", "True", Why.HALTED, rollout.why or "halted")
    if failed:
        nodes = "1 node has" if failed == 1 else f"{failed} nodes have"
        return ConditionState("Degraded", "True", Why.NODES_FAILED, f"{nodes} failed")
    return ConditionState("Degraded", "False", Why.AS_EXPECTED, "no node has failed")


def _complete(rollout: Rollout) -> ConditionState:
    if rollout.state is RolloutState.FINISHED:
        return ConditionState("Complete", "True", Why.COMPLETE, "every node has ended")
    if not rollout.active:
        return ConditionState("Complete", "False", Why.ABORTED, _because("aborted", rollout))
    return ConditionState("Complete", "False", Why.NOT_COMPLETE, f"{rollout.remaining} nodes have not ended")
