"""From what members answer to a group: pure.

Shapes: `MemberListResponse`, `StatusResponse` of etcd 3.5 and 3.6 as their JSON gateway prints them; fields that are
zero are left out, 64-bit numbers are texts.
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
"""As `AlarmMember.String()` prints it among the errors of a status."""
_FLOAT = r"[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,2})?"
TRIPS = re.compile(
    rf'^etcd_network_peer_round_trip_time_seconds_(sum|count|bucket)\{{To="([0-9a-f]{{1,16}})"'
    rf'(?:,le="({_FLOAT}|\+Inf)")?\}} ({_FLOAT})$',
    re.MULTILINE,
)
SMOOTHED_FROM_FIRST = (3, 6)
"""Since this etcd the first round trip counts whole. Before, the smoothed one began at zero (`xiang90/probing`)."""
SMOOTHING = 0.125
"""Weight of a new round trip in the smoothed one."""
PROBES_BETWEEN = 7.5
"""A peer is probed every 4 s, and the smoothed round trip noted every 30 s (etcd, `rafthttp/probing_status.go`)."""
PROBERS = 2
"""Each notes its own, under the same name."""
SMOOTH = 200
"""After so many values the smoothed one is as near as a float can show."""


class MemberPlace(Struct, frozen=True):
    """Where a member is."""

    node: NodeRef | None = None
    site: str = ""


Number = int | Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
"""64 bits, which the gateway writes as a text."""


Text = Annotated[str, Meta(max_length=4096)]


class _Header(Struct, frozen=True):
    member_id: Number
    cluster_id: Number | None = None


class _Status(Struct, frozen=True, rename="camel"):
    """The shape of what is read here. The values are read from the answer itself."""

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
    """What one member says."""

    status: dict[str, Any]
    members: tuple[dict[str, Any], ...]
    """Empty: it gives no member list, as a learner does that has started."""
    seconds: float

    def check(self) -> None:
        """Raises UnreadableError for what no etcd answers."""
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
    """Returns the group as its members answer. `answers`: at least one with a member list. `places`: as `placed`.
    `silent`: why a client URL did not answer.

    The member list is that of the member which has applied the most: a member that was cut off may know an older
    one.
    """
    by_id = {answer.ident: answer for answer in answers}
    foremost = foremost_list(answers)
    assert foremost is not None
    leader = leader_of(answers)
    alarms = _alarms(answers)
    members = tuple(
        _member(found, by_id.get(str(found["ID"])), leader, alarms, places, silent or {})
        for found in sorted(foremost.members, key=lambda each: (each.get("name", ""), str(each["ID"])))
    )
    uid = str(foremost.status["header"].get("cluster_id", ""))
    return Quorum(name, "etcd", uid, members=members, links=tuple(links), read_at=now)


def foremost_list(answers: Iterable[MemberResponse]) -> MemberResponse | None:
    """Returns the answer with a member list whose member has applied the most, or None if nobody gives a list."""
    listed = (answer for answer in answers if answer.members)
    return max(listed, key=lambda answer: (answer.applied, answer.ident), default=None)


def leader_of(answers: Sequence[MemberResponse]) -> str:
    """Returns the id that the members of the newest term name; empty: none. A leader that was cut off still believes
    an older term."""
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
    errors = tuple(words for words in status.get("errors", ()) if not ALARM.search(words))
    if answer is None:
        errors = tuple(silent[url] for url in found.get("clientURLs", ()) if url in silent)
    # One that answers and sees no leader is cut off from the others: it votes with nobody.
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
    """Returns where a member is: on the node of its name, as kubeadm has it, or else on the node that has the
    address where its peers or its clients find it. `places`: by the names of nodes, and by their addresses."""
    urls = (url for key in ("peerURLs", "clientURLs") for url in member.get(key) or ())
    known = (places.get(where) for where in (str(member.get("name", "")), *map(host_of, urls)))
    return next((place for place in known if place is not None), MemberPlace())


def host_of(url: str) -> str:
    """Returns the host of a URL; empty: it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _alarms(answers: Sequence[MemberResponse]) -> dict[str, tuple[str, ...]]:
    """Returns the alarms by member id. Each member knows those of all; reading them so needs no quorum, as asking
    for them would."""
    found: dict[str, set[str]] = {}
    for answer in answers:
        for words in answer.status.get("errors", ()):
            for ident, alarm in ALARM.findall(words):
                found.setdefault(ident, set()).add(alarm)
    return {ident: tuple(sorted(alarms)) for ident, alarms in found.items()}


class Trips(Struct, frozen=True):
    """Round trips from one member to another, as it has noted them since its start."""

    seconds: float
    """All together."""
    count: float
    """How many there were, each weighed by how far etcd's smoothing had come."""


def trips(metrics: str, version: str) -> dict[str, Trips]:
    """Returns round trips by the id of the peer, without those that have not been measured yet. `version`: of the
    member's etcd.

    etcd notes a peer that it has not reached yet with a round trip of zero: those are left out. The lowest bucket
    (0.1 ms) holds them, and nothing else where peers are on different machines.
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
    return {peer: each for peer, each in noted.items() if each is not None}


def _noted(total: float, count: float, buckets: Mapping[float, float], version: str) -> Trips | None:
    lowest = min(buckets.items(), default=(0.0, 0.0))[1]
    if total <= 0:
        return None
    # All within a tenth of a millisecond: they were measured, and as short as that.
    measured = count - lowest or count
    weight = measured if _version(version) >= SMOOTHED_FROM_FIRST else _smoothed(int(measured))
    longest = min((bound for bound, below in buckets.items() if below >= count), default=float("inf"))
    return Trips(min(total, weight * longest), weight)


def _smoothed(count: int) -> float:
    """Returns the sum of so many values that approach one from zero as etcd's smoothed round trip does."""
    probes = [1 + int(PROBES_BETWEEN * (index // PROBERS)) for index in range(min(count, SMOOTH))]
    return sum(1 - (1 - SMOOTHING) ** each for each in probes) + max(0, count - SMOOTH)


def _version(text: str) -> tuple[int, ...]:
    """Raises nothing: what is no version is an old one."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def links_of(
    members: Sequence[Mapping[str, Any]],
    measured: Mapping[str, Mapping[str, Trips]],
    places: Mapping[str, MemberPlace],
) -> tuple[Link, ...]:
    """Returns the links between sites, and within one. `measured`: by member id, then by peer id. A member that has
    measured longer counts more."""
    sites = {str(each["ID"]): placed(each, places).site for each in members}
    found: dict[tuple[str, str], list[Trips]] = {}
    for one, other in permutations(sorted(sites), 2):
        if (seen := measured.get(one, {}).get(other)) is not None:
            low, high = sorted((sites[one], sites[other]))
            found.setdefault((low, high), []).append(seen)
    return tuple(
        Link(one, other, sum(each.seconds for each in seen) / sum(each.count for each in seen))
        for (one, other), seen in sorted(found.items())
    )
