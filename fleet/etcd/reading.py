"""From what members answer to a group: pure.

Shapes: `MemberListResponse`, `StatusResponse` of etcd 3.5 and 3.6 as their JSON gateway prints them; fields that are
zero are left out, 64-bit numbers are texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

from msgspec import Struct

from fleet.core.node import NodeRef
from fleet.core.quorum import Link, Member, Quorum

ALARM = re.compile(r"memberID:(\d+)\s+alarm:(\w+)")
"""As `AlarmMember.String()` prints it among the errors of a status."""
TRIPS = re.compile(
    r'^etcd_network_peer_round_trip_time_seconds_(sum|count)\{To="([0-9a-f]+)"\} (\S+)$', re.MULTILINE
)


class Place(Struct, frozen=True):
    """Where a member is."""

    node: NodeRef | None = None
    site: str = ""


class Answer(Struct, frozen=True):
    """What one member says."""

    status: dict[str, Any]
    members: tuple[dict[str, Any], ...]
    seconds: float

    def check(self) -> None:
        """Raises KeyError, TypeError or ValueError for what no etcd answers."""
        int(self.ident), self.applied, self.term
        for member in self.members:
            int(member["ID"])

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
    answers: Sequence[Answer],
    places: Mapping[str, Place],
    links: Sequence[Link],
    now: datetime,
) -> Quorum:
    """`answers`: at least one. `places`: by the name of the member.

    The member list is that of the member which has applied the most: one that was cut off may know an older one.
    """
    by_id = {answer.ident: answer for answer in answers}
    foremost = max(answers, key=lambda answer: (answer.applied, answer.ident))
    leader = leader_of(answers)
    alarms = _alarms(answers)
    members = tuple(
        _member(found, by_id.get(str(found["ID"])), leader, alarms, places)
        for found in sorted(foremost.members, key=lambda each: (each.get("name", ""), str(each["ID"])))
    )
    uid = str(foremost.status["header"].get("cluster_id", ""))
    return Quorum(name, "etcd", uid, members=members, links=tuple(links), read_at=now)


def leader_of(answers: Sequence[Answer]) -> str:
    """The id that those of the newest term name; empty: none. A leader that was cut off still believes an older one."""
    newest = max(answer.term for answer in answers)
    named = {str(answer.status.get("leader", "0")) for answer in answers if answer.term == newest}
    named.discard("0")
    return min(named, default="")


def _member(
    found: Mapping[str, Any],
    answer: Answer | None,
    leader: str,
    alarms: Mapping[str, tuple[str, ...]],
    places: Mapping[str, Place],
) -> Member:
    ident, name = str(found["ID"]), str(found.get("name", ""))
    status = answer.status if answer is not None else {}
    place = places.get(name, Place())
    errors = tuple(words for words in status.get("errors", ()) if not ALARM.search(words))
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
    )


def _alarms(answers: Sequence[Answer]) -> dict[str, tuple[str, ...]]:
    """By member id. Each member knows those of all; reading them so needs no quorum, as asking for them would."""
    found: dict[str, set[str]] = {}
    for answer in answers:
        for words in answer.status.get("errors", ()):
            for ident, alarm in ALARM.findall(words):
                found.setdefault(ident, set()).add(alarm)
    return {ident: tuple(sorted(alarms)) for ident, alarms in found.items()}


def trips(metrics: str) -> dict[str, float]:
    """Mean round-trip times in seconds, by the id of the peer, as the member has measured them since its start."""
    sums: dict[str, dict[str, float]] = {}
    for what, peer, value in TRIPS.findall(metrics):
        sums.setdefault(str(int(peer, 16)), {})[what] = float(value)
    return {
        peer: found["sum"] / found["count"]
        for peer, found in sums.items()
        if found.get("count") and "sum" in found
    }


def links_of(
    members: Sequence[Mapping[str, Any]],
    measured: Mapping[str, Mapping[str, float]],
    places: Mapping[str, Place],
) -> tuple[Link, ...]:
    """Between sites, and within one, the mean over pairs of members. `measured`: by member id, then by peer id."""
    sites = {str(each["ID"]): places.get(str(each.get("name", "")), Place()).site for each in members}
    found: dict[tuple[str, str], list[float]] = {}
    for one, other in combinations(sorted(sites), 2):
        seen = [
            trip for a, b in ((one, other), (other, one)) if (trip := measured.get(a, {}).get(b)) is not None
        ]
        if seen:
            low, high = sorted((sites[one], sites[other]))
            found.setdefault((low, high), []).append(sum(seen) / len(seen))
    return tuple(Link(one, other, sum(all_) / len(all_)) for (one, other), all_ in sorted(found.items()))
