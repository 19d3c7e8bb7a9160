"""Describes what the standing policies of pools do next, as users and programs see them. What decides stands elsewhere, so
that a status, which shows them, need not import the decisions."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.policy.upgrades.upgrade_rule import UpgradeRule
from fleet.core.standing.reason import StandingReason
from fleet.core.standing.state import StandingState


class StandingLack(Struct, frozen=True):
    """One thing that keeps a release or a pool waiting."""

    reason: StandingReason
    message: str
    remedy: str = ""
    """Empty: nothing but waiting is needed."""
    when: datetime | None = None
    """When it ends by itself. None: it does not, or that is not known."""
    params: dict[str, str | int] = {}
    """The names and numbers in the message."""


class StandingRelease(Struct, frozen=True):
    """A release that is newer than what some node of the pool runs."""

    version: str
    qualifies: bool
    nodes: int
    """The nodes that would go to it."""
    ahead: int
    """The nodes on a newer release, which are left alone."""
    stuck: int
    """The nodes on an older release from which no way leads to it."""
    unordered: int
    """The nodes of which fleet cannot say whether their release is older."""
    barred: dict[str, int]
    """The nodes that have to boot another release first, by that release."""
    when: datetime | None
    """When it qualifies by itself. None: it qualifies, or it does not by itself, or that is not known."""
    lacks: tuple[StandingLack, ...]
    met: tuple[str, ...]
    """What the rule asks for that it has met."""


class StandingPool(Struct, frozen=True):
    """Says what the standing policy of one pool does next."""

    pool: str
    state: StandingState
    follows: str
    """What it follows, for users, such as `stable, 3d behind`. Empty: operators start the pool's rollouts."""
    rule: UpgradeRule | None
    """None: the pool has none."""
    approved_by: str
    """`rule` or `user`; empty without a rule."""
    runs: dict[str, int]
    """The number of nodes by version; the empty version: not known."""
    target: str = ""
    """The version that is started now, or next."""
    when: datetime | None = None
    """When a rollout to it is expected to start. None: it depends on an event."""
    zone: str = "UTC"
    """The time zone of the pool's windows."""
    why: StandingLack | None = None
    """Why nothing is started now. None: something is, or nothing is to be done."""
    releases: tuple[StandingRelease, ...] = ()
    """Newest first."""


class StandingList(Struct, frozen=True):
    """The standing policies of a fleet (`fleet policy status -o json`)."""

    at: datetime
    pools: tuple[StandingPool, ...]


class StandingOutcome(Struct, frozen=True):
    """Says what one pass of the standing policies did about one pool."""

    pool: StandingPool
    """As it was decided."""
    rollout: str = ""
    """The rollout that was started. Empty: none."""
    plan: str = ""
    """The short id of the plan that was made for users to approve. Empty: none."""
    problem: str = ""
    """Why what was due could not be done. Empty: it was done, or nothing was due."""
    remedy: str = ""
    waits: bool = False
    """True: nothing is wrong, and a later pass goes on by itself."""


class StandingPass(Struct, frozen=True):
    """One pass of the standing policies (`fleet policy run -o json`)."""

    at: datetime
    outcomes: tuple[StandingOutcome, ...]
