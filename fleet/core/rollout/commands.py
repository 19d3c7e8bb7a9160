"""The commands of operators: the journal's records of the form `command`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import field

from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.policy.times.calendar_events import CalendarEvents, CalendarVersion
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.records.identity import Identity
from fleet.core.rollout.goal import Start
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.rollout.record import TypedRecord
from fleet.core.rollout.stages.gate_state import GatePoint


class CommandRecord(TypedRecord, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A command of an operator, with the reason."""

    form = "command"
    reason: str = ""
    """The reason as the operator gave it. Empty: no reason was given."""
    object_uid: str = ""
    """The uid of the object of the API by which the operator gave it. Empty: it was given in another way."""


class RolloutStarted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="start"):
    """Starts a rollout. The record's detail is `start` itself."""

    start: Start


class RolloutPaused(CommandRecord, frozen=True, gc=False, kw_only=True, tag="pause"):
    """Pauses a rollout: nothing new begins, and what has begun goes on."""


class RolloutResumed(CommandRecord, frozen=True, gc=False, kw_only=True, tag="resume"):
    """Resumes a paused or halted rollout. After a halt, the failures so far no longer count."""


class RolloutAborted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="abort"):
    """Aborts a rollout: nothing new begins, for good."""


class NodeReleased(CommandRecord, frozen=True, gc=False, kw_only=True, tag="release"):
    """Releases the slot of a failed node that an operator has examined."""

    node: NodeRef


class CalendarsRead(CommandRecord, frozen=True, gc=False, kw_only=True, tag="calendars"):
    """The calendars by which the rollout goes from now on. Written when the rollout is started, and by the controller when
    the events of a calendar have changed."""

    events: CalendarEvents
    versions: dict[str, CalendarVersion] = field(default_factory=dict)
    """The texts that the events were read from, by the name of the calendar."""


class FreezesChanged(CommandRecord, frozen=True, gc=False, kw_only=True, tag="freezes"):
    """The freezes by which the rollout goes from now on. Written when the rollout is started under other freezes than those
    of its plan, and by the controller when the policy has others. `reason` says how they differ from those before."""

    freezes: tuple[Freeze, ...] = ()
    calendars: tuple[FreezeCalendar, ...] = ()
    """The freezes that calendars have, with the events that are known."""
    policy: CalendarVersion
    """The text of the policy file that has them, and when the file was written."""


class GateOverruled(CommandRecord, frozen=True, gc=False, kw_only=True, tag="pass"):
    """Lets a gate pass by the word of an operator, whatever its measurements say."""

    point: GatePoint
    gate: str


class HookResolved(CommandRecord, frozen=True, gc=False, kw_only=True, tag="hook"):
    """Lets a hook pass by the word of an operator, or runs it again."""

    node: NodeRef | None = None
    """The node of a hook of a node."""
    moment: HookMoment
    stage: str = ""
    """The stage of a hook of a stage."""
    hook: str
    again: bool = False
    """True: the hook is run again, as if it had never run. False: it passes."""

    @property
    def place(self) -> HookPlace:
        return HookPlace(self.moment, str(self.node) if self.node is not None else self.stage)


class JournalAccepted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="accept"):
    """Allows work with this journal in a cluster that has seen a later journal."""

    cluster: str
    place: str
    """The entry that the cluster has seen (`JournalEntry.place`)."""


class LogRequested(CommandRecord, frozen=True, gc=False, kw_only=True, tag="log"):
    """Requests the log of a machine's last boot."""

    node: NodeRef
    lines: int
    unit: str = ""
    """The systemd unit. Empty: all units."""


class HostsClaimed(CommandRecord, frozen=True, gc=False, kw_only=True, tag="claim"):
    """Claims the hosts of a cluster for this fleet from now on, whichever fleet had claimed them before."""

    cluster: str


class ApprovalWanted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="approval-wanted"):
    """A plan was to be started and lacks approvals. Nothing depends on this record but the message to those who approve."""

    plan: str
    effect: str
    """The hash of what the approvals are to cover."""
    pools: tuple[str, ...]
    version: str
    nodes: int
    required: int
    """The number of users that must approve the effect."""


class PlanApproved(CommandRecord, frozen=True, gc=False, kw_only=True, tag="approve"):
    """Approves the effect of a plan. `reason` is the approver's comment."""

    plan: str
    effect: str
    """The hash of `covers`."""
    covers: dict[str, Any]
    """The effect itself (`fleet.core.approval.effect`), so that a later difference can be named."""
    by: Identity
    asked_by: str = ""
    """The user who made the plan."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files that the plan's pools name (playbooks), by path."""
    override: str = ""
    """The reason for which the rollout may also start in a freeze. Empty: it may not."""


class PlanRejected(CommandRecord, frozen=True, gc=False, kw_only=True, tag="reject"):
    """Rejects the effect of a plan: earlier approvals of that effect no longer count."""

    plan: str
    effect: str
    by: Identity


class PolicyResumed(CommandRecord, frozen=True, gc=False, kw_only=True, tag="resume-policy"):
    """Resumes the standing policy of a pool: failures, aborts and rollbacks so far no longer count for it."""

    pool: str


class ExceptionRequested(CommandRecord, frozen=True, gc=False, kw_only=True, tag="exception"):
    """Asks that nodes may stay behind a release until a given moment. Another user has to grant that."""

    id: str
    nodes: tuple[str, ...] = ()
    """As `cluster/name`."""
    pools: tuple[str, ...] = ()
    version: str = ""
    """The release. Empty: every release."""
    until: datetime
    owner: str
    """Who answers for the nodes while they stay behind."""
    by: Identity


class ExceptionGranted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="exception-granted"):
    """Grants an exception, which is in force from now on. `reason` is the approver's comment."""

    id: str
    by: Identity


class ExceptionRevoked(CommandRecord, frozen=True, gc=False, kw_only=True, tag="exception-revoked"):
    """Revokes an exception, or refuses one that is not granted yet."""

    id: str
    by: Identity


COMMANDS: tuple[type[CommandRecord], ...] = (
    RolloutStarted,
    RolloutPaused,
    RolloutResumed,
    RolloutAborted,
    NodeReleased,
    CalendarsRead,
    FreezesChanged,
    GateOverruled,
    HookResolved,
    JournalAccepted,
    LogRequested,
    HostsClaimed,
    ApprovalWanted,
    PlanApproved,
    PlanRejected,
    PolicyResumed,
    ExceptionRequested,
    ExceptionGranted,
    ExceptionRevoked,
)

ORDERS: Mapping[str, type[CommandRecord]] = {
    str(command.__struct_config__.tag): command for command in (RolloutPaused, RolloutResumed, RolloutAborted)
}
"""The commands for a rollout as a whole, by the name of the subcommand of `fleet rollout`."""
