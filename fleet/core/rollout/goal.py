"""The input of a rollout: its goals, one for each node, and what the goals share."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.identity import Identity
from fleet.core.releases.release import Release


class Goal(Struct, frozen=True, gc=False):
    """The part of one node in a rollout."""

    node: NodeRef
    uid: str
    pool: str
    site: str = ""
    zone: str = ""
    from_version: str = ""
    canary: bool = False
    urgency: float = 0.0
    """Added to the pressure of the node's budgets where several nodes wait for the same budget. The result of a search
    for a better order."""
    etcd: dict[str, str] = {}
    """The version of etcd by quorum group that the release is known to have brought to this node when the node ran the
    release."""


class GivenApproval(Struct, frozen=True):
    """An approval that was in force when a rollout was started."""

    by: Identity
    at: datetime
    plan: str
    """The plan that was approved: another plan than the rollout's, if both have the same effect."""
    entry: str
    """The place of the approval in the journal (`JournalEntry.place`)."""
    comment: str = ""
    override: str = ""
    """The reason for which the approval also allowed a start in a freeze. Empty: it did not."""


class StartApproval(Struct, frozen=True):
    """The requester of a rollout, its approvers, and the hash of the approved effect."""

    asked_by: str
    """The user who made the plan."""
    effect: str
    required: int
    given: tuple[GivenApproval, ...]


class StandingStart(Struct, frozen=True):
    """The standing policy that started a rollout, and why its release qualified."""

    pool: str
    rule: str
    """`u-` and the SHA-256, in hex, of the canonical JSON of the pool's rule (`UpgradeRule`)."""
    grounds: tuple[str, ...]
    """What the rule asks for, and how the release met each of it: one line each."""

    @property
    def identity(self) -> str:
        """Returns the name by which the policy makes, approves and starts plans."""
        return f"policy/{self.pool}"


class StartObject(Struct, frozen=True):
    """The object of the API by which a user asked for a rollout."""

    uid: str
    name: str


class Start(Struct, frozen=True):
    """The content of the command that starts a rollout. Goals are in the plan's order."""

    plan: str
    release: Release
    policy: Policy
    goals: tuple[Goal, ...]
    expected_seconds: int = 0
    """The p95 of one run, in seconds. A run must fit into a window."""
    override_freeze: str | UnsetType = UNSET
    """The reason for which the rollout ignores all freezes. UNSET: it waits for them."""
    approval: StartApproval | UnsetType = UNSET
    """UNSET: the policy has no rule about approvals for these pools."""
    standing: StandingStart | UnsetType = UNSET
    """UNSET: a user started the rollout."""
    object: StartObject | UnsetType = UNSET
    """UNSET: the rollout was not asked for by an object."""
