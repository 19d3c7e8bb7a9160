"""The reasons of conditions: one word for each kind of wait, however many reasons fleet itself tells apart."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason


class ConditionReason(StrEnum):
    """The reason of a condition."""

    IN_FORCE = "InForce"
    INVALID = "InvalidPolicy"
    CONFLICT = "Conflict"
    """Two policies of the same order select the same node."""
    PLANNED = "Planned"
    REFUSED = "Refused"
    """The rollout could not be planned or begun."""
    CURRENT = "Current"
    OUTDATED = "Outdated"
    UNKNOWN_NODES = "NodesUnknown"
    NO_NODES = "NoNodes"
    NO_STREAM = "NoStream"
    NOT_REQUIRED = "NotRequired"
    APPROVED = "Approved"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    IN_PROGRESS = "RolloutInProgress"
    PAUSED = "Paused"
    HALTED = "RolloutHalted"
    ABORTED = "Aborted"
    COMPLETE = "Complete"
    NOT_COMPLETE = "NotComplete"
    IDLE = "Idle"
    """No rollout works on the nodes."""
    OUTSIDE_WINDOW = "OutsideWindow"
    FROZEN = "Frozen"
    CALENDAR_UNREAD = "CalendarUnread"
    WAITING_FOR_CANARY = "WaitingForCanary"
    WAITING_FOR_STAGE = "WaitingForStage"
    WAITING_FOR_GATE = "WaitingForGate"
    WAITING_FOR_HOOK = "WaitingForHook"
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    NODE_CONFLICT = "NodeConflict"
    NODE_NOT_READY = "NodeNotReady"
    DRAIN_BLOCKED = "DrainBlocked"
    LIMIT_REACHED = "LimitReached"
    QUORUM_AT_RISK = "QuorumAtRisk"
    RELEASE_UNSUITABLE = "ReleaseUnsuitable"
    VERSION_SKEW = "VersionSkew"
    WAITING = "Waiting"
    NOTHING_HELD = "NothingHeld"
    AS_EXPECTED = "AsExpected"
    NODES_FAILED = "NodesFailed"
    ACTIVE = "Active"
    NOT_ACTIVE = "NotActive"
    MEMBERS_MISSING = "MembersMissing"
    FEED_UNREADABLE = "FeedUnreadable"
    """The feed of a stream could not be read, or is not used as it is now."""
    FEED_UNREAD = "FeedUnread"


_GROUPS: dict[ConditionReason, tuple[Reason, ...]] = {
    ConditionReason.PAUSED: (Reason.PAUSED,),
    ConditionReason.HALTED: (Reason.HALTED,),
    ConditionReason.WAITING_FOR_APPROVAL: (Reason.NOT_APPROVED,),
    ConditionReason.ABORTED: (Reason.ABORTED,),
    ConditionReason.OUTSIDE_WINDOW: (Reason.WINDOW,),
    ConditionReason.FROZEN: (Reason.FREEZE,),
    ConditionReason.CALENDAR_UNREAD: (Reason.CALENDAR_UNREAD,),
    ConditionReason.WAITING_FOR_CANARY: (Reason.CANARY, Reason.CANARY_FAILED, Reason.NO_CANARY),
    ConditionReason.WAITING_FOR_STAGE: (Reason.STAGE, Reason.STAGE_SITES),
    ConditionReason.WAITING_FOR_GATE: (Reason.GATE, Reason.OPERATOR_GATE),
    ConditionReason.WAITING_FOR_HOOK: (Reason.HOOK, Reason.HOOK_UNKNOWN),
    ConditionReason.CLUSTER_UNREACHABLE: (Reason.UNREACHABLE, Reason.LED_BY_ANOTHER),
    ConditionReason.NODE_CONFLICT: (
        Reason.FOREIGN_CORDON,
        Reason.OTHERS,
        Reason.OTHERS_STAY,
        Reason.OTHER_ROLLOUT,
        Reason.OTHER_CORDON,
    ),
    ConditionReason.NODE_NOT_READY: (
        *(Reason.NODE_GONE, Reason.NODE_ABSENT, Reason.NODE_REPLACED, Reason.NODE_NOT_READY, Reason.NO_AGENT),
    ),
    ConditionReason.DRAIN_BLOCKED: (
        *(Reason.BUDGET, Reason.BUDGET_NEVER, Reason.BUDGET_FAILED, Reason.BUDGET_UNCOUNTED),
        *(Reason.BUDGET_UNHEALTHY, Reason.ROLE, Reason.SEVERAL_BUDGETS, Reason.UNMANAGED, Reason.LOCAL_DATA),
        *(
            Reason.HOST_PATH,
            Reason.GRACE,
            Reason.PINNED,
            Reason.PINNED_TOGETHER,
            Reason.CAPACITY,
            Reason.ROOM,
            Reason.FIRST_NODES,
        ),
        *(Reason.TERMINATING, Reason.STUCK_TERMINATING, Reason.VOLUMES_ATTACHED, Reason.POD_HELD),
        *(Reason.POD_WAITS, Reason.ASKED, Reason.ASK_TURN, Reason.BACKOFF, Reason.COMES_BACK),
    ),
    ConditionReason.LIMIT_REACHED: (
        *(Reason.POOL_LIMIT, Reason.ZONE_LIMIT, Reason.SITE_LIMIT, Reason.CLUSTER_LIMIT, Reason.TURN),
    ),
    ConditionReason.RELEASE_UNSUITABLE: (
        *(Reason.ARCHITECTURE, Reason.BARRIER, Reason.DEAD_END, Reason.NO_WAY, Reason.NOT_IN_STREAM),
        *(Reason.OFFERED_LATER, Reason.NOT_OFFERED, Reason.ROLLED_BACK),
    ),
    ConditionReason.VERSION_SKEW: (Reason.SKEW, Reason.SKEW_OLD, Reason.SKEW_UNKNOWN),
}
_OF = {reason: word for word, reasons in _GROUPS.items() for reason in reasons}


def reason_of(held: Held) -> ConditionReason:
    """Returns the word for a reason. Reasons about groups of voters are one: a majority would be at risk."""
    if held.spec.scope == "quorum group" or held.reason in (Reason.LEADER, Reason.SNAPSHOT):
        return ConditionReason.QUORUM_AT_RISK
    return _OF.get(held.reason, ConditionReason.WAITING)


def foremost(held: Iterable[Held]) -> Held | None:
    """Returns the reason that users should read first: one that an operator has to end, before others. None: there is
    none."""
    known = list(held)
    return next((each for each in known if each.needs_action), known[0] if known else None)
