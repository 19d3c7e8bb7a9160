"""The present state of the fleet. These structs are the published JSON (`docs/schemas/status.json`)."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from fleet.core.notifications.overview import UndeliveredMessages
from fleet.core.quorum.quorum import Link
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.standstill import Standstill
from fleet.core.standing.standing_pool import StandingPool


class StatusCluster(Struct, frozen=True):
    """One cluster of the fleet."""

    name: str
    sites: tuple[str, ...]
    reachable: bool
    last_seen: datetime | None
    error: str = ""
    version: str = ""
    """The version of the cluster's API server."""
    nodes: int = 0
    simulated: bool = False
    skew: tuple[str, ...] = ()
    """Versions that are further apart than is supported, as texts for users."""


class StatusPool(Struct, frozen=True):
    """A row of the overview: one pool in one cluster."""

    site: str
    cluster: str
    pool: str
    nodes: int
    patched: int
    target: str
    rollout: str = ""
    rollout_state: str = ""
    eta_seconds: int | None = None
    note: str = ""


class StatusMember(Struct, frozen=True):
    """A member of a quorum group. What the member does not report is None or empty."""

    name: str
    node: str
    site: str
    voter: bool
    """False: the member is a learner or an observer."""
    started: bool
    leader: bool
    index: int | None
    """The index of the last entry that the member has applied."""
    behind: int | None
    """The number of entries that the member lacks against the member that has applied most."""
    alarms: tuple[str, ...]
    version: str
    size: int
    """The size of the member's database, in bytes."""
    in_use: int
    """The part of `size` that is not free for reuse, in bytes."""
    seconds: float | None
    """The round trip to the member from where it was asked, in seconds."""
    ails: str
    """Why the member does not count as healthy, as a text for users. Empty: the member is healthy."""


class StatusQuorum(Struct, frozen=True):
    """A quorum group as last read."""

    name: str
    cluster: str
    kind: str
    voters: int
    healthy: int
    """The number of voters that answer, are in step and have no alarm."""
    needed: int
    """The number of healthy voters that the group needs to decide, plus the policy's margin."""
    leader: str = ""
    """Empty: the group has no leader, or no member reports one."""
    leader_node: str = ""
    ailing: tuple[str, ...] = ()
    """The unhealthy members, each with the reason, as texts for users."""
    declared: bool = False
    """True: the group is known only by the readiness of its pods."""
    unread: str = ""
    """Why the group could not be read. Empty: it was read."""
    read_at: datetime | None = None
    members: tuple[StatusMember, ...] = ()
    links: tuple[Link, ...] = ()
    """Round trips between the group's sites, where they are measured."""
    commit_seconds: float | None = None
    """How long a commit takes now, in seconds. None: not known."""


class Summary(Struct, frozen=True):
    """The numbers of nodes by state, kernel and version, and the rows of the overview."""

    nodes: int = 0
    patched: int = 0
    states: dict[str, int] = {}
    kernels: dict[str, int] = {}
    versions: dict[str, int] = {}
    pools: tuple[StatusPool, ...] = ()


class FleetStatus(Struct, frozen=True):
    """The state of the whole fleet, or of the part that a user selected, at one time."""

    at: datetime
    clusters: tuple[StatusCluster, ...]
    nodes: tuple[StatusNode, ...]
    summary: Summary
    quorums: tuple[StatusQuorum, ...] = ()
    standstill: Standstill | None = None
    """None: a controller is at work, or nothing is left to do."""
    policies: tuple[StandingPool, ...] | UnsetType = UNSET
    """The standing policies that need an operator or an approval. UNSET: there are none."""
    only_in_sources: dict[str, int] | UnsetType = UNSET
    """How many machines each imported source has that no cluster has: they are known, and not seen. UNSET: none."""
    undelivered: tuple[UndeliveredMessages, ...] | UnsetType = UNSET
    """What receivers of messages have not got. UNSET: they have got all."""
