"""All approvals and rejections in the journal, and which of them are in force. A fold over the journal's records."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleet.core.approval.effect import Effect
from fleet.core.records.identity import Identity
from fleet.core.rollout.commands import CommandRecord, PlanApproved, PlanRejected

ApprovalState = Literal["in force", "expired", "rejected"]
KINDS = ("approve", "reject")
"""The kinds of the journal's records that a ledger is made of."""


class PlanRejection(Struct, frozen=True):
    """A rejection: earlier approvals of the same effect no longer count."""

    at: datetime
    by: Identity
    plan: str
    effect: str
    reason: str


class PlanApproval(Struct, frozen=True):
    """One approval, with everything that it covers."""

    at: datetime
    by: Identity
    actor: str
    """The actor of the journal entry."""
    plan: str
    effect: str
    """`e-` and the SHA-256, in hex, of the canonical JSON of what the approval covers."""
    packed: bytes
    """The effect that the approval covers, as `pack` returns it: years of approvals of thousands of nodes are kept in
    memory."""
    asked_by: str = ""
    """The user who made the plan."""
    comment: str = ""
    files: Mapping[str, str] = {}
    """SHA-256 of the files that the plan's pools name (playbooks), by path."""
    override: str = ""
    """The reason for which the approval also allows the rollout to start in a freeze. Empty: it does not."""
    entry: str = ""
    """The place of the approval in the journal (`JournalEntry.place`). Empty: not known."""
    rejection: PlanRejection | None = None
    """The later rejection of the same effect."""

    @property
    def covers(self) -> Effect:
        """Returns the effect that was approved."""
        effect: Effect = msgspec.json.decode(zlib.decompress(self.packed))
        return effect

    def expires(self, valid_seconds: int) -> datetime:
        return self.at + timedelta(seconds=valid_seconds)

    def state(self, at: datetime, valid_seconds: int) -> ApprovalState:
        if self.rejection is not None:
            return "rejected"
        return "in force" if at < self.expires(valid_seconds) else "expired"


class Ledger:
    """Mutable only through `apply`, in the order of the journal."""

    def __init__(self) -> None:
        self.approvals: list[PlanApproval] = []
        self.rejections: list[PlanRejection] = []

    def apply(self, command: CommandRecord, at: datetime, actor: str, entry: str = "") -> None:
        """Takes in an approval or a rejection; other commands change nothing."""
        match command:
            case PlanApproved():
                self.approvals.append(
                    PlanApproval(
                        at=at,
                        by=command.by,
                        actor=actor,
                        plan=command.plan,
                        effect=command.effect,
                        packed=pack(command.covers),
                        asked_by=command.asked_by,
                        comment=command.reason,
                        files=command.files,
                        override=command.override,
                        entry=entry,
                    )
                )
            case PlanRejected():
                rejection = PlanRejection(at, command.by, command.plan, command.effect, command.reason)
                self.rejections.append(rejection)
                self.approvals = [
                    replace(approval, rejection=rejection)
                    if approval.effect == command.effect and approval.rejection is None
                    else approval
                    for approval in self.approvals
                ]

    def in_force(
        self, effect: Effect, at: datetime, valid_seconds: int, without: Collection[str] = ()
    ) -> Sequence[PlanApproval]:
        """Returns the approvals that count for the effect: one for each person, the last one. `without`: the names of
        persons whose approval does not count, such as who made the plan."""
        packed = pack(effect)
        counted = {
            approval.by.name: approval
            for approval in self.approvals
            if approval.packed == packed
            and approval.state(at, valid_seconds) == "in force"
            and approval.by.name not in without
        }
        return list(counted.values())


def enough(approvals: Collection[PlanApproval], required: int) -> bool:
    """Returns whether the approvals that count are as many as required. That of a standing policy is enough alone: its
    rule says that no user has to approve."""
    return len(approvals) >= required or any(each.by.method == "policy" for each in approvals)


def pack(effect: Effect) -> bytes:
    """Returns the effect in little memory; equal effects, whatever the order of their keys, give equal bytes."""
    return zlib.compress(msgspec.json.encode(effect, order="sorted"))
