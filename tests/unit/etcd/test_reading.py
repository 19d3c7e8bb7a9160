"""From answers to a group: who is believed, what is left out, and what is no answer at all."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core.objects.node import NodeRef
from fleet.etcd.reading import MemberPlace, MemberResponse, Trips, leader_of, links_of, placed, reading, trips
from fleet.lab.simulation.builders import START

MEMBERS: tuple[dict[str, Any], ...] = (
    {
        "ID": "1",
        "name": "cp-0",
        "peerURLs": ["https://10.0.0.1:2380"],
        "clientURLs": ["https://10.0.0.1:2379"],
    },
    {
        "ID": "2",
        "name": "cp-1",
        "peerURLs": ["https://10.0.0.2:2380"],
        "clientURLs": ["https://10.0.0.2:2379"],
    },
    {
        "ID": "3",
        "name": "cp-2",
        "peerURLs": ["https://10.0.0.3:2380"],
        "clientURLs": ["https://10.0.0.3:2379"],
    },
)
PLACES = {
    "cp-0": MemberPlace(NodeRef("east", "cp-0"), "fra"),
    "cp-1": MemberPlace(NodeRef("east", "cp-1"), "nyc"),
}


def answer(
    ident: int,
    *,
    leader: int = 1,
    term: int = 5,
    applied: int = 100,
    members: tuple[dict[str, Any], ...] = MEMBERS,
    **more: Any,
) -> MemberResponse:
    """In the shape of etcd 3.6; zero is left out, as its gateway does."""
    status = {
        "header": {"cluster_id": "9", "member_id": str(ident), "revision": "40", "raft_term": str(term)},
        "version": "3.6.8",
        "dbSize": "4096",
        "dbSizeInUse": "2048",
        "raftIndex": str(applied),
        "raftTerm": str(term),
        "raftAppliedIndex": str(applied),
        **({"leader": str(leader)} if leader else {}),
        **more,
    }
    return MemberResponse(status, members, 0.002)


def test_member_that_did_not_answer_is_in_the_group_and_unreachable() -> None:
    group = reading("etcd", [answer(1), answer(2, applied=90)], PLACES, (), START)
    assert [(each.name, each.reachable, each.leader, each.index) for each in group.members] == [
        ("cp-0", True, True, 100),
        ("cp-1", True, False, 90),
        ("cp-2", False, False, None),
    ]
    assert (group.uid, group.read_at) == ("9", START)
    assert [(each.node, each.site) for each in group.members] == [
        (NodeRef("east", "cp-0"), "fra"),
        (NodeRef("east", "cp-1"), "nyc"),
        (None, ""),
    ]


def test_members_with_other_names_are_on_the_nodes_that_have_their_addresses() -> None:
    nodes = {
        "infra-1": MemberPlace(NodeRef("east", "infra-1"), "fra"),
        "infra-2": MemberPlace(NodeRef("east", "infra-2"), "nyc"),
    }
    places = nodes | {"10.0.0.1": nodes["infra-1"], "10.0.0.9": nodes["infra-2"]}
    # As k3s names them; peers find the second one at an address of its own, and the third by the name of its host.
    second = MEMBERS[1] | {"name": "infra-2-1a2b3c4d", "peerURLs": ["https://10.0.0.9:2380"]}
    third = MEMBERS[2] | {"peerURLs": ["https://infra-1:2380"], "clientURLs": []}
    members = (
        MEMBERS[0] | {"name": "infra-1-5e6f7a8b"},
        second,
        third,
        {"ID": "4", "peerURLs": ["https://["]},
    )
    group = reading("etcd", [answer(1, members=members)], places, (), START)
    assert {each.name: each.node for each in group.members} == {
        "(not started: https://[)": None,
        "infra-1-5e6f7a8b": NodeRef("east", "infra-1"),
        "infra-2-1a2b3c4d": NodeRef("east", "infra-2"),
        "cp-2": NodeRef("east", "infra-1"),
    }
    # Its own name comes first.
    assert placed(MEMBERS[0] | {"name": "infra-2"}, places) == nodes["infra-2"]


def test_leader_of_an_older_term_is_ignored() -> None:
    cut_off, new, follower = answer(1, term=5), answer(2, leader=2, term=6), answer(3, leader=2, term=6)
    assert leader_of([cut_off, new, follower]) == "2"
    assert leader_of([answer(1, leader=0)]) == ""


def test_member_list_is_that_of_the_most_advanced_member() -> None:
    behind = answer(3, applied=10, members=MEMBERS[:2])
    assert len(reading("etcd", [behind, answer(1)], PLACES, (), START).members) == 3


def test_member_that_sees_no_leader_does_not_count() -> None:
    lonely = answer(3, leader=0, errors=["etcdserver: no leader"])
    group = reading("etcd", [answer(1), answer(2), lonely], PLACES, (), START)
    assert not group.members[2].reachable
    assert group.members[2].errors == ("etcdserver: no leader",)


def test_alarms_are_in_every_members_status() -> None:
    reported = answer(1, errors=["memberID:2 alarm:NOSPACE ", "memberID:3 alarm:CORRUPT "])
    group = reading("etcd", [reported, answer(2)], PLACES, (), START)
    assert [each.alarms for each in group.members] == [(), ("NOSPACE",), ("CORRUPT",)]
    assert group.members[0].errors == ()


def metrics(peer: str, total: float, count: int, zeros: int = 0, longest: float = 0.1024) -> str:
    name = "etcd_network_peer_round_trip_time_seconds"
    return (
        f'{name}_bucket{{To="{peer}",le="0.0001"}} {zeros}\n'
        f'{name}_bucket{{To="{peer}",le="{longest}"}} {count}\n'
        f'{name}_bucket{{To="{peer}",le="+Inf"}} {count}\n'
        f'{name}_sum{{To="{peer}"}} {total}\n'
        f'{name}_count{{To="{peer}"}} {count}\n'
    )


def seconds(text: str, version: str = "3.6.8") -> dict[str, float]:
    return {peer: each.seconds / each.count for peer, each in trips(text, version).items()}


def test_round_trips_come_from_the_members_metrics() -> None:
    assert seconds(metrics("a", 0.12, 3) + metrics("3", 0, 0)) == {"10": pytest.approx(0.04)}


def test_peer_that_was_not_reached_yet_has_no_round_trip_of_zero() -> None:
    assert seconds(metrics("2", 0.08, 6, zeros=4)) == {"2": pytest.approx(0.04)}
    assert seconds(metrics("2", 0, 4, zeros=4)) == {}


def test_round_trips_close_to_zero_are_not_corrected() -> None:
    assert seconds(metrics("2", 0.0009, 10, zeros=10)) == {"2": pytest.approx(0.00009)}
    assert seconds(metrics("2", 0.09, 1000, zeros=999, longest=0.0002)) == {"2": pytest.approx(0.0002)}


@pytest.mark.parametrize("rounds", [1, 2, 5, 100])
def test_round_trip_smoothed_from_zero_is_not_trusted_while_young(rounds: int) -> None:
    """What etcd 3.5 notes of a peer that is 40 ms away: two probers, a probe every 4 s, a look at 5 s and then every
    30 s."""
    noted, smoothed, probed = [], 0.0, 0
    for each in range(rounds):
        while 4 * (probed + 1) <= 5 + 30 * each:
            probed, smoothed = probed + 1, 0.875 * smoothed + 0.125 * 0.04
        noted += [smoothed, smoothed]
    reported = metrics("2", sum(noted), len(noted))
    assert seconds(reported, "3.5.21") == {"2": pytest.approx(0.04)}
    assert (sum(noted) / len(noted) < 0.02) is (rounds <= 2), "the plain mean is too short"


def test_longer_measurements_count_more() -> None:
    [link] = links_of(MEMBERS, {"1": {"2": Trips(0.05, 1)}, "2": {"1": Trips(3.6, 99)}}, PLACES)
    assert (link.one, link.other) == ("fra", "nyc")
    assert link.seconds == pytest.approx(0.0365)


@pytest.mark.parametrize(
    "status",
    [{}, {"header": {}}, {"header": {"member_id": "x"}}, {"header": {"member_id": "1"}, "raftTerm": "soon"}],
)
def test_invalid_answer_of_an_etcd_is_refused(status: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        MemberResponse(status, (), 0.0).check()
