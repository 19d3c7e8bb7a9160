"""A quorum group: members of which a majority must stay up (etcd, ZooKeeper, Consul, ...), as last read, and its arithmetic.

A group of n voters decides with n // 2 + 1 of them (raft, section 5.4; ZooKeeper's default quorums). Learners and
observers do not vote. A member that was added and has not started counts in n, and is not there.
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
"""Kinds whose leader can be told to hand over. The others elect one when it goes."""


class Member(Struct, frozen=True, gc=False):
    name: str
    node: NodeRef | None = None
    """The node that carries it. None: no node of the fleet, or not known which."""
    site: str = ""
    voter: bool = True
    """False: a learner or an observer."""
    started: bool = True
    """False: added to the group, and has never joined it."""
    reachable: bool = False
    """It answered when the group was read, and not as one that is cut off from the others."""
    leader: bool = False
    index: int | None = None
    """The last entry that it has applied. None: not told; only a declared group gets by without."""
    alarms: tuple[str, ...] = ()
    """NOSPACE, CORRUPT."""
    errors: tuple[str, ...] = ()
    """What the member itself complains of, or why it could not be asked."""
    version: str = ""
    size: int = 0
    """Of its database, in bytes."""
    in_use: int = 0
    """Of `size`, what is not free for reuse, in bytes."""
    seconds: float | None = None
    """Round-trip time from where it was asked."""
    storage: str = ""
    """The version whose format its data have, as etcd tells from 3.6 on: an older etcd does not start on them."""


class Link(Struct, frozen=True, gc=False):
    """Between two sites, either way."""

    one: str
    other: str
    seconds: float
    """Round-trip time."""


class SnapshotRule(Struct, frozen=True):
    """Before a member's node goes: a snapshot, checked."""

    directory: str
    keep: int = 7
    """The newest so many of the group stay."""


class QuorumRule(Struct, frozen=True):
    """What people allow, of one group."""

    margin: int = 0
    """Healthy voters that must remain beyond the majority."""
    lag_entries: int = 1000
    """A member further behind the foremost one is not in step."""
    stale_seconds: int = 30
    """A reading that is older tells nothing any more."""
    downtime: Literal["hold", "allow"] = "hold"
    """Groups of one or two voters stand still while one of them reboots."""
    stretch: Literal["hold", "allow"] = "hold"
    """A majority that one site's loss would break, where waiting avoids it."""
    soak_seconds: int = 30
    """Healthy for so long before the next member goes."""
    snapshot: SnapshotRule | None = None
    defragment: bool = False
    """A member after its reboot, while another leads."""
    last_voter_seconds: int = 900
    """Of an etcd: how long the other voters must have run a newer minor version before the last one gets it."""


class Quorum(Struct, frozen=True):
    """One group, as read at a time. A group that could not be read has members that are not reachable, and `unread`."""

    name: str
    """Unique in the fleet."""
    kind: str = "etcd"
    uid: str = ""
    """The id that it gave itself; another group under the same name has another one."""
    members: tuple[Member, ...] = ()
    links: tuple[Link, ...] = ()
    """Between its sites. Empty: not measured."""
    declared: bool = False
    """Known by the readiness of its pods alone: nobody tells leader and indexes."""
    led: bool = True
    """It has one leader, and tells which. CockroachDB has one for each range."""
    unread: str = ""
    """Why the group itself could not be asked."""
    wrong: bool = False
    """It was not asked because its declaration cannot be followed, as `unread` says: a person has to mend it."""
    rule: QuorumRule | None = None
    """What the annotation that declares it allows. None: the policy declares it, or nobody."""
    read_at: datetime | None = None
    """When its members were begun to be asked. None: it is told as it changes, as a model cluster does."""

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
        return tuple(member for member in self.members if member.node == node)


def majority(voters: int) -> int:
    return voters // 2 + 1


def tolerates(voters: int) -> int:
    """So many may be away, and the group still decides: 3 and 4 voters one, 1 and 2 none."""
    return max(0, voters - majority(voters))


def unknown(group: Quorum, why: str) -> Quorum:
    """The same, where it cannot be asked now: none of its members counts for anything."""
    members = tuple(
        replace(each, reachable=False, leader=False, index=None, errors=(), seconds=None)
        for each in group.members
    )
    return replace(group, members=members, unread=why)


def fresh(group: Quorum, rule: QuorumRule, now: datetime) -> bool:
    return group.read_at is not None and now - group.read_at <= timedelta(seconds=rule.stale_seconds)


def foremost(group: Quorum) -> int:
    """The highest entry that any member is known to have applied."""
    return max((member.index or 0 for member in group.members if member.reachable), default=0)


def healthy(group: Quorum, rule: QuorumRule) -> tuple[Member, ...]:
    """Voters that are known to vote: they answer, are in step, and have no alarm."""
    highest = foremost(group)
    return tuple(member for member in group.voters if not ailment(member, group, rule, highest))


def ailment(member: Member, group: Quorum, rule: QuorumRule, highest: int) -> str:
    """Why the member does not count as healthy; empty: it does. `highest`: the foremost index among them all."""
    if not member.started:
        return "has not joined yet"
    if not member.reachable:
        return f"does not vote: {'; '.join(member.errors)}" if member.errors else "does not answer"
    if member.alarms:
        return f"has alarm {', '.join(member.alarms)}"
    if member.index is None:
        return "" if group.declared else "tells no index"
    behind = highest - member.index
    return f"is {behind} entries behind" if behind > rule.lag_entries else ""


def ailing(group: Quorum, rule: QuorumRule) -> tuple[tuple[Member, str], ...]:
    """Members, learners too, that are not healthy, each with why."""
    highest = foremost(group)
    found = ((member, ailment(member, group, rule, highest)) for member in group.members)
    return tuple((member, why) for member, why in found if why)


def breaking_sites(remaining: Iterable[Member], needed: int) -> tuple[str, ...]:
    """Sites whose loss would leave fewer than `needed` of the voters. None where all are in one site: that site is
    the group's place, and no order changes it."""
    members = tuple(remaining)
    sites = sorted({member.site for member in members})
    if len(sites) < 2:
        return ()
    return tuple(site for site in sites if sum(member.site != site for member in members) < needed)


def breaking_links(remaining: Iterable[Member], needed: int) -> tuple[tuple[str, str], ...]:
    """Pairs of sites: where these two cannot talk to each other, nobody reaches `needed` of the voters. Whoever leads
    hands nothing on for others, so a third site counts only if its own members reach so many."""
    members = tuple(remaining)
    sites = sorted({member.site for member in members})

    def reach(site: str, cut: tuple[str, str]) -> int:
        return sum(site not in cut or member.site == site or member.site not in cut for member in members)

    return tuple(cut for cut in combinations(sites, 2) if all(reach(site, cut) < needed for site in sites))


def round_trip(group: Quorum, one: str, other: str) -> float | None:
    """Seconds; within a site 0 where nothing was measured. None: not known."""
    for link in group.links:
        if (link.one, link.other) in ((one, other), (other, one)):
            return link.seconds
    return 0.0 if one == other else None


def commit_seconds(group: Quorum, leader: Member, remaining: Iterable[Member]) -> float | None:
    """How long an entry takes to be committed: the round trip from the leader to the slowest member of its fastest
    majority. None: a round trip is not known, or there is no majority."""
    others = [member for member in remaining if member.name != leader.name]
    needed = group.majority - 1
    trips = [round_trip(group, leader.site, member.site) for member in others]
    known = sorted(trip for trip in trips if trip is not None)
    if len(known) < needed:
        return None
    return known[needed - 1] if needed else 0.0


def best_leader(group: Quorum, remaining: Iterable[Member], upgraded: frozenset[NodeRef]) -> Member | None:
    """Who should lead while the others are away: the best connected one; of equals one that is upgraded already, since
    it need not be moved from again."""
    members = tuple(remaining)

    def rank(member: Member) -> tuple[float, bool, float, str]:
        trip = commit_seconds(group, member, members)
        asked = member.seconds if member.seconds is not None else float("inf")
        return trip if trip is not None else float("inf"), member.node not in upgraded, asked, member.name

    return min(members, key=rank, default=None)


def majority_sites(group: Quorum, remaining: Iterable[Member]) -> tuple[str, ...]:
    """The sites of the majority that is nearest together: fewest sites, then the shortest round trips."""
    members = tuple(remaining)
    if len(members) < group.majority:
        return ()
    sites = sorted({member.site for member in members})

    def span(chosen: tuple[str, ...]) -> float:
        trips = (round_trip(group, one, other) for one, other in combinations(chosen, 2))
        return max((trip if trip is not None else float("inf") for trip in trips), default=0.0)

    for count in range(1, len(sites) + 1):
        enough = [
            chosen
            for chosen in combinations(sites, count)
            if sum(member.site in chosen for member in members) >= group.majority
        ]
        if enough:
            return min(enough, key=lambda chosen: (span(chosen), chosen))
    return ()
