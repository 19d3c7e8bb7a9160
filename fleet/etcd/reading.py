"""Makes a group from the answers of its members. Pure.

The answers are `MemberListResponse` and `StatusResponse` of etcd 3.5 and 3.6 in the form of their JSON gateway: fields
that are zero are left out, 64-bit numbers are strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import permutations
from typing import Annotated, Any
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import Link, Member, Quorum
from fleet.core.text.untrusted import convert

ALARM = re.compile(r"memberID:(\d+)\s+alarm:(\w+)")
"""Matches an alarm as `AlarmMember.String()` prints it among the errors of a status."""
_FLOAT = r"[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,2})?"
TRIPS = re.compile(
    rf'^etcd_network_peer_round_trip_time_seconds_(sum|count|bucket)\{{To="([0-9a-f]{{1,16}})"'
    rf'(?:,le="({_FLOAT}|\+Inf)")?\}} ({_FLOAT})$',
    re.MULTILINE,
)
SMOOTHED_FROM_FIRST = (3, 6)
"""The first version of etcd in which the first round trip counts fully. Before it, the smoothed value began at zero
(`xiang90/probing`)."""
SMOOTHING = 0.125
"""The weight of a new round trip in the smoothed value."""
PROBES_BETWEEN = 7.5
"""The number of probes between two values: a peer is probed every 4 s, and the smoothed round trip is recorded every
30 s (etcd, `rafthttp/probing_status.go`)."""
PROBERS = 2
"""The number of probers for each peer; each records its own values, under the same name."""
SMOOTH = 200
"""The number of values after which the smoothed one has converged to the precision of a float."""


class MemberPlace(Struct, frozen=True):
    """The node and the site of a member."""

    node: NodeRef | None = None
    site: str = ""


Number = int | Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
"""A 64-bit number, which the gateway writes as a string."""


Text = Annotated[str, Meta(max_length=4096)]


class _Header(Struct, frozen=True):
    member_id: Number
    cluster_id: Number | None = None


class _Status(Struct, frozen=True, rename="camel"):
    """The form of the fields that are read. The values themselves are taken from the answer."""

    header: _Header
    leader: Number = 0
    raft_term: Number = 0
    raft_applied_index: Number = 0
    db_size: Number = 0
    db_size_in_use: Number = 0
    version: Text = ""
    storage_version: Text = ""
    is_learner: bool = False
    errors: tuple[Text, ...] = ()


class _Member(Struct, frozen=True, rename={"ident": "ID", "peers": "peerURLs", "clients": "clientURLs"}):
    ident: Number
    name: Text = ""
    peers: tuple[Text, ...] = ()
    clients: tuple[Text, ...] = ()
    is_learner: bool = field(name="isLearner", default=False)


_Members = Annotated[tuple[_Member, ...], Meta(max_length=100)]


class MemberResponse(Struct, frozen=True):
    """The answer of one member."""

    status: dict[str, Any]
    members: tuple[dict[str, Any], ...]
    """The member list; empty: the member gives none, such as a started learner."""
    seconds: float

    def check(self) -> None:
        """Raises UnreadableError for an answer that no etcd gives."""
        convert(self.status, _Status)
        convert(self.members, _Members)

    @property
    def ident(self) -> str:
        return str(self.status["header"]["member_id"])

    @property
    def applied(self) -> int:
        return int(self.status.get("raftAppliedIndex", 0))

    @property
    def term(self) -> int:
        return int(self.status.get("raftTerm", 0))


def reading(
    name: str,
    answers: Sequence[MemberResponse],
    places: Mapping[str, MemberPlace],
    links: Sequence[Link],
    now: datetime,
    silent: Mapping[str, str] | None = None,
) -> Quorum:
    """Returns the group according to its members' answers. `answers` has at least one with a member list. `places` is
    as in `placed`. `silent` has the reason why a client URL did not answer.

    The member list is that of the member with the highest applied index: a member that was cut off may know an older
    list.
    """
    by_id = {answer.ident: answer for answer in answers}
    foremost = foremost_list(answers)
    assert foremost is not None
    leader = leader_of(answers)
    alarms = _alarms(answers)
    members = tuple(
        _member(found, by_id.get(str(found["ID"])), leader, alarms, places, silent or {})
        for found in sorted(foremost.members, key=lambda member: (member.get("name", ""), str(member["ID"])))
    )
    uid = str(foremost.status["header"].get("cluster_id", ""))
    return Quorum(name, "etcd", uid, members=members, links=tuple(links), read_at=now)


def foremost_list(answers: Iterable[MemberResponse]) -> MemberResponse | None:
    """Returns the answer, among those with a member list, of the member with the highest applied index; None if there
    is no list."""
    listed = (answer for answer in answers if answer.members)
    return max(listed, key=lambda answer: (answer.applied, answer.ident), default=None)


def leader_of(answers: Sequence[MemberResponse]) -> str:
    """Returns the id of the leader that the members of the newest term name; empty: none. A leader that was cut off
    still believes in an older term."""
    newest = max(answer.term for answer in answers)
    named = {str(answer.status.get("leader", "0")) for answer in answers if answer.term == newest}
    named.discard("0")
    return min(named, default="")


def _member(
    found: Mapping[str, Any],
    answer: MemberResponse | None,
    leader: str,
    alarms: Mapping[str, tuple[str, ...]],
    places: Mapping[str, MemberPlace],
    silent: Mapping[str, str],
) -> Member:
    ident, name = str(found["ID"]), str(found.get("name", ""))
    status = answer.status if answer is not None else {}
    place = placed(found, places)
    errors = tuple(message for message in status.get("errors", ()) if not ALARM.search(message))
    if answer is None:
        errors = tuple(silent[url] for url in found.get("clientURLs", ()) if url in silent)
    # A member that answers and sees no leader is cut off from the others: its vote counts for no majority.
    there = answer is not None and str(status.get("leader", "0")) != "0"
    return Member(
        name=name or f"(not started: {', '.join(found.get('peerURLs', ()))})",
        node=place.node,
        site=place.site,
        voter=not found.get("isLearner", False),
        started=bool(name),
        reachable=there,
        leader=ident == leader and there,
        index=answer.applied if answer is not None else None,
        alarms=alarms.get(ident, ()),
        errors=errors,
        version=str(status.get("version", "")),
        size=int(status.get("dbSize", 0)),
        in_use=int(status.get("dbSizeInUse", 0)),
        seconds=answer.seconds if answer is not None else None,
        storage=str(status.get("storageVersion", "")),
    )


def placed(member: Mapping[str, Any], places: Mapping[str, MemberPlace]) -> MemberPlace:
    """Returns the place of a member: the node of its name, as with kubeadm, or else the node with the address of its
    peer or client URLs. `places` has places by the names of nodes, and by their addresses."""
    urls = (url for key in ("peerURLs", "clientURLs") for url in member.get(key) or ())
    known = (places.get(where) for where in (str(member.get("name", "")), *map(host_of, urls)))
    return next((place for place in known if place is not None), MemberPlace())


def host_of(url: str) -> str:
    """Returns the host of a URL; empty if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _alarms(answers: Sequence[MemberResponse]) -> dict[str, tuple[str, ...]]:
    """Returns the alarms by member id. Each member's status has those of all; reading them there needs no quorum, as
    an alarm request would."""
    found: dict[str, set[str]] = {}
    for answer in answers:
        for message in answer.status.get("errors", ()):
            for ident, alarm in ALARM.findall(message):
                found.setdefault(ident, set()).add(alarm)
    return {ident: tuple(sorted(alarms)) for ident, alarms in found.items()}


class Trips(Struct, frozen=True):
    """Round trips from one member to another, as recorded since the member's start."""

    seconds: float
    """The sum of all round trips in seconds."""
    count: float
    """The number of round trips, each weighted by how far etcd's smoothing had converged."""


def trips(metrics: str, version: str) -> dict[str, Trips]:
    """Returns round trips by the id of the peer, without those that have not been measured yet. `version` is that of
    the member's etcd.

    etcd records a round trip of zero for a peer that it has not reached yet; these are left out. The lowest bucket
    (0.1 ms) holds only these where peers are on different machines.
    """
    found: dict[str, dict[str, float]] = {}
    buckets: dict[str, dict[float, float]] = {}
    for what, peer, bound, value in TRIPS.findall(metrics):
        name = str(int(peer, 16))
        if what == "bucket":
            buckets.setdefault(name, {})[float(bound)] = float(value)
        else:
            found.setdefault(name, {})[what] = float(value)
    noted = {
        peer: _noted(each["sum"], each["count"], buckets.get(peer, {}), version)
        for peer, each in found.items()
        if "sum" in each and "count" in each
    }
    return {peer: trips for peer, trips in noted.items() if trips is not None}


def _noted(total: float, count: float, buckets: Mapping[float, float], version: str) -> Trips | None:
    lowest = min(buckets.items(), default=(0.0, 0.0))[1]
    if total <= 0:
        return None
    # If all are within a tenth of a millisecond, they were measured and are really that short.
    measured = count - lowest or count
    weight = measured if _version(version) >= SMOOTHED_FROM_FIRST else _smoothed(int(measured))
    longest = min((bound for bound, below in buckets.items() if below >= count), default=float("inf"))
    return Trips(min(total, weight * longest), weight)


def _smoothed(count: int) -> float:
    """Returns the sum of `count` values that rise from zero to one as etcd's smoothed round trip does."""
    probes = [1 + int(PROBES_BETWEEN * (index // PROBERS)) for index in range(min(count, SMOOTH))]
    return sum(1 - (1 - SMOOTHING) ** probe for probe in probes) + max(0, count - SMOOTH)


def _version(text: str) -> tuple[int, ...]:
    """Returns major and minor version. A text that is no version counts as an old version; nothing is raised."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def links_of(
    members: Sequence[Mapping[str, Any]],
    measured: Mapping[str, Mapping[str, Trips]],
    places: Mapping[str, MemberPlace],
) -> tuple[Link, ...]:
    """Returns the links between sites, and within one. `measured` is by member id, then by peer id. A member that has
    measured longer has more weight."""
    sites = {str(member["ID"]): placed(member, places).site for member in members}
    found: dict[tuple[str, str], list[Trips]] = {}
    for one, other in permutations(sorted(sites), 2):
        if (seen := measured.get(one, {}).get(other)) is not None:
            low, high = sorted((sites[one], sites[other]))
            found.setdefault((low, high), []).append(seen)
    return tuple(
        Link(one, other, sum(each.seconds for each in seen) / sum(each.count for each in seen))
        for (one, other), seen in sorted(found.items())
    )
