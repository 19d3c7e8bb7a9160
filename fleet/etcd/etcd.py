"""One etcd cluster: reads its members, moves its leader, takes a snapshot, defragments a member. Calls block; use
threads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import combinations
from typing import Any, TypeVar

from msgspec.structs import replace

from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Link, Member, Quorum, SnapshotRule, unknown
from fleet.core.text.untrusted import UnreadableError, convert
from fleet.etcd.backup import Saved, save
from fleet.etcd.errors import EtcdError, EtcdRefusedError
from fleet.etcd.gateway import LONG_SECONDS, Gateway, trust
from fleet.etcd.reading import MemberPlace, MemberResponse, foremost_list, leader_of, links_of, reading, trips

STATUS = "/v3/maintenance/status"
MEMBERS = "/v3/cluster/member/list"
TRANSFER_SECONDS = 10.0
"""Seconds in which the leader must answer that it has transferred leadership, for which etcd has no limit of its own,
and again the seconds in which a new leader must then be seen."""
MEASURE_EVERY = 60
"""Readings between two measurements of round-trip times, which members report only among all their metrics."""
MEASURE_SOON = 3
"""Readings between two measurements while round trips between some sites are unknown: a member that starts reports
none for five seconds."""

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Etcd:
    """One etcd cluster, reached at its members' client endpoints."""

    def __init__(
        self,
        group: QuorumGroup,
        places: Mapping[str, MemberPlace],
        links: Sequence[Link] = (),
        transfer_seconds: float = TRANSFER_SECONDS,
    ) -> None:
        """Makes a client of the group. `places` has places by the names of nodes and by their addresses. `links` are
        used until links have been measured. `transfer_seconds` is how long the call that transfers leadership may stay
        unanswered, and how long a new leader may then take to be seen."""
        self.name = group.name
        self._access = group.access
        self.places = dict(places)
        self.endpoints = tuple(group.access.endpoints)
        self.known: Quorum | None = None
        """The last reading, if there was one."""
        self._links = tuple(links)
        self._transfer_seconds = transfer_seconds
        self._silent: dict[str, str] = {}
        """Endpoints that did not answer the last time, and why."""
        self._learned: frozenset[str] = frozenset()
        """Client URLs in the last member list. They are needed where a learner answers at the endpoint, which names no
        other member."""
        self._readings = 0
        self.term = 0
        """Raft's term in the last reading: each election has a new one."""

    def read(self, now: datetime) -> Quorum:
        """Returns the state of the group. An etcd that does not answer is a reading too and raises nothing."""
        try:
            answers = self._answers()
            if not answers:
                raise EtcdError("none of its members answers")
            if foremost_list(answers.values()) is None:
                raise EtcdError(
                    "none of the members that answer lists the members: are all of them learners?"
                )
            self._measure(answers)
            self.term = max(answer.term for answer in answers.values())
            answered = list(answers.values())
            self.known = reading(self.name, answered, self.places, self._links, now, self._silent)
        except EtcdError as error:
            return self._unread(error.message, now)
        except Exception as error:
            LOG.exception("%s: its members' answers are not understood", self.name)
            return self._unread(f"its members' answers are not understood: {error!r:.200}", now)
        return self.known

    def move_leader(self, to: str) -> str:
        """Moves leadership to another member and returns when the members name the new leader. Raises EtcdError.

        etcd may leave the call unanswered although leadership moves, so the members are asked for their leader in
        any case.
        """
        answers = self._answers()
        target = self._ident(answers, to)
        leader = leader_of(list(answers.values())) if answers else ""
        gateway_of_leader = next(
            (gateway for gateway, answer in answers.items() if answer.ident == leader), None
        )
        if gateway_of_leader is None:
            raise EtcdError(f"{self.name} has no leader that answers")
        why = self._transfer(gateway_of_leader, target) if leader != target else ""
        deadline = time.monotonic() + self._transfer_seconds
        while True:
            now = self._answers()
            if now and leader_of(list(now.values())) == target:
                return f"{to} leads {self.name}"
            if time.monotonic() > deadline:
                cause = f" ({why})" if why else ""
                raise EtcdError(
                    f"{to} does not lead {self.name} {self._transfer_seconds:.0f} s after the transfer{cause}"
                )

    def _transfer(self, leader: Gateway, target: str) -> str:
        """Returns why the call failed, or an empty text if the leader answered that it has transferred leadership. A
        failed call proves nothing: an election meanwhile also ends the call with an error."""
        try:
            leader.call("/v3/maintenance/transfer-leadership", {"targetID": target}, self._transfer_seconds)
        except EtcdError as error:
            return error.message
        return ""

    def snapshot(self, rule: SnapshotRule, now: datetime) -> Saved:
        """Saves the data of the leader, than which no member is more up to date. Raises EtcdError."""
        answers = self._answers()
        leader = leader_of(list(answers.values())) if answers else ""
        asked = next((gateway for gateway, answer in answers.items() if answer.ident == leader), None)
        if asked is None:
            raise EtcdError(f"{self.name} has no leader that answers: no snapshot")
        return save(asked.stream("/v3/maintenance/snapshot"), self.name, rule, now)

    def defragment(self, member: str) -> str:
        """Defragments a member, never the leader. Raises EtcdError."""
        answers = self._answers()
        ident = self._ident(answers, member)
        if ident == leader_of(list(answers.values())):
            raise EtcdError(f"{member} leads {self.name}: it is not defragmented")
        asked = next(gateway for gateway, answer in answers.items() if answer.ident == ident)
        asked.call("/v3/maintenance/defragment", {}, LONG_SECONDS)
        size = str(asked.call(STATUS).get("dbSize", 0))[:20]
        return f"{member} of {self.name}: {answers[asked].status.get('dbSize', 0)} bytes before, {size} after"

    def _answers(self) -> dict[Gateway, MemberResponse]:
        """Returns the answer of every member that can be reached. Members that the configuration does not name are
        found through the others."""
        context = trust(self._access)
        self._silent = {}
        found = self._ask([Gateway(endpoint, context) for endpoint in self.endpoints])
        if not found and self.endpoints:
            return {}
        known = {answer.ident for answer in found.values()}
        if foremost_list(found.values()) is None:
            more = set(self._learned)
        else:
            more = {
                url
                for answer in found.values()
                for member in answer.members
                if str(member["ID"]) not in known
                for url in member.get("clientURLs", ())[:1]
            }
        tried = {gateway.endpoint for gateway in found} | set(self.endpoints)
        found |= self._ask([Gateway(url, context) for url in sorted(more - tried)])
        unique: dict[str, Gateway] = {}
        for gateway, answer in found.items():
            unique.setdefault(answer.ident, gateway)
        if (foremost := foremost_list(found.values())) is not None:
            self._learned = frozenset(
                url for member in foremost.members for url in member.get("clientURLs", ())[:1]
            )
        return {gateway: found[gateway] for gateway in unique.values()}

    def _ask(self, gateways: Sequence[Gateway]) -> dict[Gateway, MemberResponse]:
        def one(gateway: Gateway) -> MemberResponse:
            status, seconds = gateway.timed(STATUS)
            answer = MemberResponse(status, _members(gateway, status), seconds)
            answer.check()
            return answer

        found, silent = _ask_all(gateways, one)
        self._silent |= silent
        return found

    def _measure(self, answers: Mapping[Gateway, MemberResponse]) -> None:
        """Measures round trips between the members, if they are in several sites."""
        sites = {place.site for place in self.places.values()}
        known = {frozenset((link.one, link.other)) for link in self._links}
        whole = all(frozenset(pair) in known for pair in combinations(sorted(sites), 2))
        due = self._readings % (MEASURE_EVERY if whole else MEASURE_SOON) == 0
        self._readings += 1
        if not due or len(sites) < 2:
            return
        replies, _ = _ask_all(
            list(answers),
            lambda gateway: trips(gateway.metrics(), str(answers[gateway].status.get("version", ""))),
        )
        measured = {answers[gateway].ident: found for gateway, found in replies.items()}
        foremost = foremost_list(answers.values())
        members = foremost.members if foremost is not None else ()
        self._links = links_of(members, measured, self.places) or self._links

    def _ident(self, answers: Mapping[Gateway, MemberResponse], name: str) -> str:
        """Returns the id of a member that answers."""
        for answer in answers.values():
            for member in answer.members:
                if member.get("name") == name and any(
                    answer.ident == str(member["ID"]) for answer in answers.values()
                ):
                    return str(member["ID"])
        raise EtcdError(f"{name} of {self.name} does not answer")

    def _unread(self, why: str, now: datetime) -> Quorum:
        """Returns the members as last known, none of them available. For a group that was never read, any node may
        carry a member."""
        message = "; ".join(dict.fromkeys([why, *self._silent.values()]))
        if self.known is not None:
            return replace(unknown(self.known, message), read_at=now)
        places = {place.node: place for place in self.places.values() if place.node is not None}
        members = tuple(Member(node.name, node, place.site) for node, place in places.items())
        return Quorum(self.name, "etcd", members=members, unread=message, read_at=now)


def _members(gateway: Gateway, status: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Returns the member list as this member knows it, or an empty one if it refuses. Raises EtcdError where it does
    not answer.

    A started learner is healthy and refuses every list ("rpc not supported for learner"), so it is not asked for one.
    """
    if status.get("isLearner"):
        return ()
    try:
        # With linearizable false, a member without a quorum returns the list that it knows.
        listed = gateway.call(MEMBERS, {"linearizable": False}).get("members", [])
        return convert(listed, tuple[dict[str, Any], ...])
    except EtcdRefusedError:
        # The member has just answered: it is reachable, and others return the list.
        return ()


def _ask_all(
    gateways: Sequence[Gateway], ask: Callable[[Gateway], T]
) -> tuple[dict[Gateway, T], dict[str, str]]:
    """Asks all endpoints in parallel, so that an endpoint without an answer delays the others by no more than its own
    timeout. Returns the answers, and why the others failed, by endpoint."""

    def one(gateway: Gateway) -> T | EtcdError:
        try:
            return ask(gateway)
        except EtcdError as error:
            return error
        except UnreadableError as error:
            return EtcdError(f"{gateway.endpoint}: this is not an answer of an etcd: {error}")
        except Exception as error:
            # An unexpected answer of one member must not end the work for the others.
            LOG.exception("%s: an answer is not understood", gateway.endpoint)
            return EtcdError(f"{gateway.endpoint}: its answer is not understood: {error!r:.200}")

    if not gateways:
        return {}, {}
    with ThreadPoolExecutor(len(gateways)) as pool:
        answers = list(pool.map(one, gateways))
    found = {
        gateway: answer
        for gateway, answer in zip(gateways, answers, strict=True)
        if not isinstance(answer, EtcdError)
    }
    silent = {
        gateway.endpoint: answer.message
        for gateway, answer in zip(gateways, answers, strict=True)
        if isinstance(answer, EtcdError)
    }
    return found, silent
