"""The enum of all reasons for which something waits: one member, one `ReasonSpec`.

A new reason is added here alone: its `ReasonSpec` is written at its member. Subjects with several reasons have a file
beside this module, to which their members refer. Members are in the order in which the docs and the schemas list them.
The codes are a contract: JSON, journals and databases have them.
"""

from __future__ import annotations

from enum import StrEnum

from fleet.core.records.reasons import (
    budgets,
    clusters,
    controllers,
    limits,
    nodes,
    pods,
    quorums,
    releases,
    rollouts,
)
from fleet.core.records.reasons.spec import ReasonSpec


class Reason(StrEnum):
    """The code of a reason; `spec` has its message, its remedy and more."""

    spec: ReasonSpec

    def __new__(cls, spec: ReasonSpec | str) -> Reason:
        """Makes a member of its spec. A call with a code, `Reason("paused")`, finds the member and does not come here."""
        assert isinstance(spec, ReasonSpec), spec
        member = str.__new__(cls, spec.code)
        member._value_ = spec.code
        member.spec = spec
        return member

    PAUSED = rollouts.PAUSED
    HALTED = rollouts.HALTED
    NOT_APPROVED = rollouts.NOT_APPROVED
    ABORTED = rollouts.ABORTED
    WINDOW = rollouts.WINDOW
    FREEZE = rollouts.FREEZE
    CALENDAR_UNREAD = rollouts.CALENDAR_UNREAD
    CANARY = rollouts.CANARY
    CANARY_FAILED = rollouts.CANARY_FAILED
    NO_CANARY = rollouts.NO_CANARY
    STAGE = rollouts.STAGE
    STAGE_SITES = rollouts.STAGE_SITES
    GATE = rollouts.GATE
    OPERATOR_GATE = rollouts.OPERATOR_GATE
    HOOK = rollouts.HOOK
    HOOK_UNKNOWN = rollouts.HOOK_UNKNOWN
    UNREACHABLE = clusters.UNREACHABLE
    LED_BY_ANOTHER = clusters.LED_BY_ANOTHER
    NODE_GONE = nodes.NODE_GONE
    NODE_ABSENT = nodes.NODE_ABSENT
    NODE_REPLACED = nodes.NODE_REPLACED
    NODE_NOT_READY = nodes.NODE_NOT_READY
    FOREIGN_CORDON = nodes.FOREIGN_CORDON
    OTHERS = nodes.OTHERS
    OTHERS_STAY = nodes.OTHERS_STAY
    OTHER_ROLLOUT = nodes.OTHER_ROLLOUT
    OTHER_CORDON = nodes.OTHER_CORDON
    ROLLED_BACK = nodes.ROLLED_BACK
    NO_AGENT = nodes.NO_AGENT
    STAGING = releases.STAGING
    BUDGET = budgets.BUDGET
    BUDGET_NEVER = budgets.BUDGET_NEVER
    BUDGET_FAILED = budgets.BUDGET_FAILED
    BUDGET_UNCOUNTED = budgets.BUDGET_UNCOUNTED
    BUDGET_UNHEALTHY = budgets.BUDGET_UNHEALTHY
    ROLE = budgets.ROLE
    SEVERAL_BUDGETS = budgets.SEVERAL_BUDGETS
    UNMANAGED = pods.UNMANAGED
    LOCAL_DATA = pods.LOCAL_DATA
    HOST_PATH = pods.HOST_PATH
    GRACE = pods.GRACE
    PINNED = pods.PINNED
    PINNED_TOGETHER = budgets.PINNED_TOGETHER
    POOL_LIMIT = limits.POOL_LIMIT
    ZONE_LIMIT = limits.ZONE_LIMIT
    SITE_LIMIT = limits.SITE_LIMIT
    CLUSTER_LIMIT = limits.CLUSTER_LIMIT
    CAPACITY = pods.CAPACITY
    ROOM = pods.ROOM
    FIRST_NODES = pods.FIRST_NODES
    QUORUM = quorums.QUORUM
    QUORUM_NEVER = quorums.QUORUM_NEVER
    QUORUM_UNREAD = quorums.QUORUM_UNREAD
    QUORUM_WRONG = quorums.QUORUM_WRONG
    QUORUM_AWAY = quorums.QUORUM_AWAY
    QUORUM_ILL = quorums.QUORUM_ILL
    QUORUM_DOWNTIME = quorums.QUORUM_DOWNTIME
    QUORUM_STRETCH = quorums.QUORUM_STRETCH
    QUORUM_ORDER = quorums.QUORUM_ORDER
    LAST_VOTER = quorums.LAST_VOTER
    ETCD_DATA = quorums.ETCD_DATA
    LEADER = quorums.LEADER
    SNAPSHOT = quorums.SNAPSHOT
    SKEW = releases.SKEW
    SKEW_OLD = releases.SKEW_OLD
    SKEW_UNKNOWN = releases.SKEW_UNKNOWN
    ARCHITECTURE = releases.ARCHITECTURE
    BARRIER = releases.BARRIER
    DEAD_END = releases.DEAD_END
    NO_WAY = releases.NO_WAY
    NOT_IN_STREAM = releases.NOT_IN_STREAM
    OFFERED_LATER = releases.OFFERED_LATER
    NOT_OFFERED = releases.NOT_OFFERED
    TERMINATING = pods.TERMINATING
    STUCK_TERMINATING = pods.STUCK_TERMINATING
    VOLUMES_ATTACHED = pods.VOLUMES_ATTACHED
    NOT_VERIFIED = releases.NOT_VERIFIED
    HAND_OVER = controllers.HAND_OVER
    NO_STANDBY = controllers.NO_STANDBY
    CONTROLLER_DATA = controllers.CONTROLLER_DATA
    CONTROLLER_STAYS = controllers.CONTROLLER_STAYS
    OTHERS_FIRST = controllers.OTHERS_FIRST
    SILENCE = clusters.SILENCE
    NOT_SILENCED = clusters.NOT_SILENCED
    BACKOFF = clusters.BACKOFF
    COMES_BACK = pods.COMES_BACK
    POD_HELD = pods.POD_HELD
    POD_WAITS = pods.POD_WAITS
    ASKED = budgets.ASKED
    ASK_TURN = budgets.ASK_TURN
    LENGTH_UNKNOWN = pods.LENGTH_UNKNOWN
    TURN = rollouts.TURN


HALTING = frozenset({Reason.HALTED, Reason.NOT_APPROVED})
"""Reasons that hold a whole rollout until an operator acts. They are reported once for the rollout, and not as what holds
each of its nodes."""
