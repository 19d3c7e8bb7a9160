"""What a rollout is started with: its goals, one for each node, and what they share."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release


class Goal(Struct, frozen=True, gc=False):
    """One node's part of a rollout."""

    node: NodeRef
    uid: str
    pool: str
    site: str = ""
    zone: str = ""
    from_version: str = ""
    canary: bool = False
    urgency: float = 0.0
    """Added to the pressure of its budgets where several wait for the same: what a search for a better order found."""
    etcd: dict[str, str] = {}
    """By quorum group: the version of etcd that the release is known to have brought to this node when it ran there."""


class Start(Struct, frozen=True):
    """What the command that starts a rollout says. Goals are in the plan's order."""

    plan: str
    release: Release
    policy: Policy
    goals: tuple[Goal, ...]
    expected_seconds: int = 0
    """How long one run takes at most, as far as can be said (p95): what must fit into a window."""
