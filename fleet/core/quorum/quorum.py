"""Quorum groups as last read (etcd, ZooKeeper, Consul, ...): members of which a majority must stay up, and its
arithmetic.

A group of n voters decides with n // 2 + 1 of them (raft, section 5.4; ZooKeeper's default quorums). Learners and
observers do not vote. A member that was added and has not started counts in n, but cannot vote.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import combinations
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef

MOVES_LEADER = frozenset({"etcd"})
"""Kinds of groups whose leadership fleet can move to another member. The other kinds elect a leader when theirs is
lost."""


class Member(Struct, frozen=True, gc=False):
    """One member of a quorum group, as last read."""

    name: str
    node: NodeRef | None = None
    """The node that runs the member; None if the node is not in the fleet or not known."""
    site: str = ""
    voter: bool = True
    """False for a learner or an observer."""
    started: bool = True
    """False for a member that was added to the group and has never joined it."""
    reachable: bool = False
    """True if the member answered when the group was read, and its answer was not that of a member cut off from the
    others."""
    leader: bool = False
    index: int | None = None
    """Index of the last log entry that the member has applied. None if no index is reported, which makes the member
    unhealthy unless its group is `declared`."""
    alarms: tuple[str, ...] = ()
    """Active alarms of etcd: NOSPACE, CORRUPT."""
    errors: tuple[str, ...] = ()
    """The errors that the member reports, or why the member could not be asked."""
    version: str = ""
    size: int = 0
    """Size of the member's database file, in bytes."""
    in_use: int = 0
    """Bytes of `size` that are in use; the rest is free for reuse."""
    seconds: float | None = None
    """Round-trip time in seconds from where the member was asked; None if it was not measured."""
    storage: str = ""
    """The etcd version whose format the member's data have, which etcd reports since 3.6. An older etcd does not start
    with these data."""


class Link(Struct, frozen=True, gc=False):
    """The network delay between two sites, in either direction."""

    one: str
    other: str
    seconds: float
    """Round-trip time in seconds."""


class SnapshotRule(Struct, frozen=True):
    """Requires a verified snapshot of the group before the node of a member goes out of service."""

    directory: str
    """Directory of the snapshots, on the controller's computer."""
    keep: int = 7
    """Number of the group's newest snapshots that are kept."""


class QuorumRule(Struct, frozen=True):
    """The rules for fleet's work on one group."""

    margin: int = 0
    """Number of healthy voters that must remain beyond the majority."""
    lag_entries: int = 1000
    """A member that is more entries than this behind the foremost member is not in sync."""
    stale_seconds: int = 30
    """Age in seconds from which a reading of the group no longer counts."""
    downtime: Literal["hold", "allow"] = "hold"
    """`allow`: fleet may reboot a voter of a group with one or two voters, which cannot decide meanwhile."""
    stretch: Literal["hold", "allow"] = "hold"
    """`allow`: fleet may leave a majority that the loss of one site would break, even if waiting would avoid that."""
    soak_seconds: int = 30
    """How long, in seconds, the group must be healthy before the next member's node goes out of service."""
    snapshot: SnapshotRule | None = None
    """The snapshots to take; None for no snapshots."""
    defragment: bool = False
    """True: fleet defragments a member after its reboot, while another member leads."""
    last_voter_seconds: int = 900
    """The time in seconds that the other voters of an etcd must have run a newer minor version before the last voter gets
    that version."""


class Quorum(Struct, frozen=True):
    """One quorum group as it was read at one time. In a group that could not be read no member is reachable, and
    `unread` gives the reason."""

    name: str
    """Name of the group, unique in the fleet."""
    kind: str = "etcd"
    uid: str = ""
    """Id that the group gave itself; another group under the same name has another id."""
    members: tuple[Member, ...] = ()
    links: tuple[Link, ...] = ()
    """Delays between the sites of its members; empty if they were not measured."""
    declared: bool = False
    """True if only the readiness of the pods is known, and neither the leader nor any index."""
    led: bool = True
    """True if the group has one leader and reports which member that is. CockroachDB has a leader for each range."""
    unread: str = ""
    """Why the group could not be read; empty if it was read."""
    wrong: bool = False
    """True if the group was not read because its declaration is invalid; `unread` gives the reason. A user has to
    correct the declaration."""
    rule: QuorumRule | None = None
    """The rule in the annotation that declares the group; None if no annotation declares the group."""
    read_at: datetime | None = None
    """When the reading of the members began. None if every change is reported at once, as by a model cluster."""

    @property
    def voters(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.voter)

    @property
    def majority(self) -> int:
        return majority(len(self.voters))

    @property
    def leader(self) -> Member | None:
        return next((member for member in self.members if member.leader and member.reachable), None)

    def on(self, node: NodeRef) -> tuple[Member, ...]:
        """Returns the members on the node."""
        return tuple(member for member in self.members if member.node == node)


def majority(voters: int) -> int:
    """Returns the number of voters that are a majority of `voters`."""
    return voters // 2 + 1


def tolerates(voters: int) -> int:
    """Returns how many of `voters` may be down while the group can still decide: 1 of 3 or 4, none of 1 or 2."""
    return max(0, voters - majority(voters))


def unknown(group: Quorum, why: str) -> Quorum:
    """Returns the group as one that cannot be read now, for the reason `why`: no member counts as reachable."""
    members = tuple(
        replace(member, reachable=False, leader=False, index=None, errors=(), seconds=None)
        for member in group.members
    )
    return replace(group, members=members, unread=why)


def fresh(group: Quorum, rule: QuorumRule, now: datetime) -> bool:
    """Returns whether the group was read within the last `rule.stale_seconds`."""
    return group.read_at is not None and now - group.read_at <= timedelta(seconds=rule.stale_seconds)


def foremost(group: Quorum) -> int:
    """Returns the highest index that any reachable member has applied; 0 if none is known."""
    return max((member.index or 0 for member in group.members if member.reachable), default=0)


def healthy(group: Quorum, rule: QuorumRule) -> tuple[Member, ...]:
    """Returns the healthy voters: those that answer, are in sync, and have no alarm."""
    highest = foremost(group)
    return tuple(member for member in group.voters if not why_unhealthy(member, group, rule, highest))


def why_unhealthy(member: Member, group: Quorum, rule: QuorumRule, highest: int) -> str:
    """Returns why the member does not count as healthy; empty if it does. `highest` is the highest index of all
    members."""
    if not member.started:
        return "has not joined yet"
    if not member.reachable:
        return f"does not vote: {'; '.join(member.errors)}" if member.errors else "does not answer"
    if member.alarms:
        return f"has alarm {', '.join(member.alarms)}"
    if member.index is None:
        return "" if group.declared else "reports no index"
    behind = highest - member.index
    return f"is {behind} entries behind" if behind > rule.lag_entries else ""


def unhealthy_members(group: Quorum, rule: QuorumRule) -> tuple[tuple[Member, str], ...]:
    """Returns the unhealthy members, learners included, each with the reason."""
    highest = foremost(group)
    reasons = ((member, why_unhealthy(member, group, rule, highest)) for member in group.members)
    return tuple((member, why) for member, why in reasons if why)


def breaking_sites(remaining: Iterable[Member], needed: int) -> tuple[str, ...]:
    """Returns the sites whose loss would leave fewer than `needed` of the voters. The result is empty if all are in one
    site: no order of upgrades changes that the group is lost with that site."""
    members = tuple(remaining)
    sites = sorted({member.site for member in members})
    if len(sites) < 2:
        return ()
    return tuple(site for site in sites if sum(member.site != site for member in members) < needed)


def breaking_links(remaining: Iterable[Member], needed: int) -> tuple[tuple[str, str], ...]:
    """Returns the pairs of sites such that, if the link between the two fails, no site reaches `needed` of the voters.
    Members do not forward messages for others, so a third site helps only if its own members reach that many voters."""
    members = tuple(remaining)
    sites = sorted({member.site for member in members})

    def reach(site: str, cut: tuple[str, str]) -> int:
        return sum(site not in cut or member.site == site or member.site not in cut for member in members)

    return tuple(cut for cut in combinations(sites, 2) if all(reach(site, cut) < needed for site in sites))


def round_trip(group: Quorum, one: str, other: str) -> float | None:
    """Returns the round-trip time between two sites in seconds; 0 within a site if it was not measured. None if it is
    not known."""
    for link in group.links:
        if (link.one, link.other) in ((one, other), (other, one)):
            return link.seconds
    return 0.0 if one == other else None


def commit_seconds(group: Quorum, leader: Member, remaining: Iterable[Member]) -> float | None:
    """Returns how long the commit of an entry takes, in seconds: the round trip from the leader to the slowest member
    of its fastest majority. None if a round trip is not known, or there is no majority."""
    followers = [member for member in remaining if member.name != leader.name]
    needed = group.majority - 1
    trips = [round_trip(group, leader.site, member.site) for member in followers]
    known_trips = sorted(trip for trip in trips if trip is not None)
    if len(known_trips) < needed:
        return None
    return known_trips[needed - 1] if needed else 0.0


def best_leader(group: Quorum, remaining: Iterable[Member], upgraded: frozenset[NodeRef]) -> Member | None:
    """Returns the member of `remaining` that should lead while the others are down: the one with the shortest commit
    time; among equals one on an upgraded node, from which the leadership need not move again. None if no member
    remains."""
    members = tuple(remaining)

    def rank(member: Member) -> tuple[float, bool, float, str]:
        trip = commit_seconds(group, member, members)
        distance = member.seconds if member.seconds is not None else float("inf")
        return trip if trip is not None else float("inf"), member.node not in upgraded, distance, member.name

    return min(members, key=rank, default=None)


def majority_sites(group: Quorum, remaining: Iterable[Member]) -> tuple[str, ...]:
    """Returns the sites of the closest majority: fewest sites, then the shortest round trips. Empty if there is no
    majority."""
    members = tuple(remaining)
    if len(members) < group.majority:
        return ()
    sites = sorted({member.site for member in members})

    def span(chosen: tuple[str, ...]) -> float:
        trips = (round_trip(group, one, other) for one, other in combinations(chosen, 2))
        return max((trip if trip is not None else float("inf") for trip in trips), default=0.0)

    for count in range(1, len(sites) + 1):
        majorities = [
            chosen
            for chosen in combinations(sites, count)
            if sum(member.site in chosen for member in members) >= group.majority
        ]
        if majorities:
            return min(majorities, key=lambda chosen: (span(chosen), chosen))
    return ()
