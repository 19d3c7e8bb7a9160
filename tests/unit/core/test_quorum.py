"""The arithmetic of quorum groups, and the guard that asks it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleet.core.guards import quorum
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import (
    Link,
    Quorum,
    QuorumRule,
    best_leader,
    breaking_links,
    breaking_sites,
    commit_seconds,
    healthy,
    majority,
    majority_sites,
    tolerates,
    unhealthy_members,
)
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.lab.simulation.builders import a_group, a_node
from tests.golden import GoldenFiles

RULE = QuorumRule()
LINKS = (Link("f", "n", 0.008), Link("f", "s", 0.160), Link("n", "s", 0.150))


def group(count: int, sites: str = "", **changed: dict[str, Any]) -> Quorum:
    """`changed`: by member, its fields that are other."""
    made = a_group([a_node(f"n{index}") for index in range(count)], sites=sites)
    members = tuple(replace(member, **changed.get(member.name, {})) for member in made.members)
    return replace(made, members=members, links=LINKS)


def node(index: int) -> NodeRef:
    return NodeRef("east", f"n{index}")


DOWN: dict[str, Any] = {"reachable": False, "leader": False}


@pytest.mark.parametrize(
    ("voters", "needed", "spare"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3), (9, 5, 4)],
)
def test_majority_of_voters(voters: int, needed: int, spare: int) -> None:
    assert (majority(voters), tolerates(voters)) == (needed, spare)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (DOWN, "does not answer"),
        ({"alarms": ("NOSPACE",)}, "has alarm NOSPACE"),
        ({"index": 98_000}, "is 2000 entries behind"),
        ({"index": None}, "reports no index"),
        ({"started": False, "reachable": False}, "has not joined yet"),
    ],
)
def test_members_that_are_not_healthy(changed: dict[str, Any], why: str) -> None:
    found = group(3, m1=changed)
    assert [member.name for member in healthy(found, RULE)] == ["m0", "m2"]
    assert [(member.name, ailment) for member, ailment in unhealthy_members(found, RULE)] == [("m1", why)]
    # One is unhealthy, three vote: neither of the others can go, the unhealthy one can.
    held = quorum.held(found, RULE, node(2), ())
    assert held is not None and held.reason is Reason.QUORUM and held.params["ill"] == f": m1 {why}"
    assert quorum.held(found, RULE, node(1), ()) is None


def test_alarm_has_a_remedy(golden: GoldenFiles) -> None:
    remedies = []
    for changed in ({"alarms": ("NOSPACE",)}, {"alarms": ("CORRUPT",)}, DOWN):
        held = quorum.held(group(3, m1=changed), RULE, node(2), ())
        assert held is not None and held.reason is Reason.QUORUM
        remedies.append(held.remedy)
    golden.check("\n".join(remedies))


def test_remedy_that_changes_members_names_etcds_wait(
    golden: GoldenFiles,
) -> None:
    few = quorum.held(group(1), RULE, node(0), ())
    assert few is not None and few.reason is Reason.QUORUM_DOWNTIME
    never = quorum.held(group(3), replace(RULE, margin=1), node(0), ())
    assert never is not None and never.reason is Reason.QUORUM_NEVER
    other = quorum.held(replace(group(1), kind="zookeeper"), RULE, node(0), ())
    assert other is not None and other.reason is Reason.QUORUM_DOWNTIME
    golden.check("\n".join(each.remedy for each in (few, never, other)))


def test_member_a_little_behind_is_in_step() -> None:
    found = group(3, m1={"index": 99_500})
    assert len(healthy(found, RULE)) == 3
    assert quorum.held(found, RULE, node(2), ()) is None
    assert quorum.held(found, replace(RULE, lag_entries=100), node(2), ()) is not None


@pytest.mark.parametrize(
    ("voters", "down", "margin", "may"),
    [
        (3, 0, 0, True),
        (3, 0, 1, False),
        (3, 1, 0, False),
        (4, 0, 0, True),
        (4, 1, 0, False),
        (5, 0, 0, True),
        (5, 1, 0, True),
        (5, 2, 0, False),
        (5, 0, 1, True),
        (5, 1, 1, False),
        (7, 2, 0, True),
        (7, 3, 0, False),
        (9, 3, 0, True),
        (9, 3, 1, False),
    ],
)
def test_majority_and_its_margin_must_remain(voters: int, down: int, margin: int, may: bool) -> None:
    found = group(voters, "", **{f"m{index}": DOWN for index in range(1, down + 1)})
    held = quorum.held(found, replace(RULE, margin=margin), node(0), ())
    assert (held is None) == may


def test_impossible_margin_is_its_own_reason() -> None:
    held = quorum.held(group(3), replace(RULE, margin=1), node(0), ())
    assert held is not None and (held.reason, held.subject) == (Reason.QUORUM_NEVER, "etcd")
    assert (held.params["needed"], held.params["voters"], held.params["member"]) == (3, 3, "m0")


def test_added_member_that_has_not_started_makes_the_majority_larger() -> None:
    # Four in the list: three are needed, and three are healthy.
    found = group(4, m3={"started": False, "reachable": False})
    held = quorum.held(found, RULE, node(0), ())
    assert held is not None and held.reason is Reason.QUORUM
    assert held.params["ill"] == ": m3 has not joined yet"


def test_learners_do_not_vote() -> None:
    found = group(4, m3={"voter": False})
    assert found.majority == 2
    assert quorum.held(found, RULE, node(3), ()) is None
    assert quorum.held(found, RULE, node(0), ()) is None
    # A learner that is away keeps nobody from going.
    assert quorum.held(found, RULE, node(0), {node(3)}) is None
    # And counts for nothing where voters lack.
    lame = group(4, m3={"voter": False}, m1=DOWN)
    assert quorum.held(lame, RULE, node(0), ()) is not None


def test_one_at_a_time_though_two_could_be_spared() -> None:
    held = quorum.held(group(5), RULE, node(0), {node(4)})
    assert held == Held(Reason.QUORUM_AWAY, "etcd", {"member": "m4", "node": "n4"})


@pytest.mark.parametrize("voters", [1, 2])
def test_one_and_two_voters_need_downtime_allowed(voters: int) -> None:
    held = quorum.held(group(voters), RULE, node(0), ())
    assert held is not None and held.reason is Reason.QUORUM_DOWNTIME and held.needs_action
    assert (held.params["spare"], held.params["member"]) == (0, "m0") and "downtime: allow" in held.remedy
    allowed = replace(RULE, downtime="allow")
    assert quorum.held(group(voters), allowed, node(0), ()) is None
    if voters == 2:
        unhealthy = quorum.held(group(2, m1=DOWN), allowed, node(0), ())
        assert unhealthy is not None and unhealthy.reason is Reason.QUORUM_ILL


def test_two_voters_on_one_node_go_together() -> None:
    both = group(3, m1={"node": node(0)})
    held = quorum.held(both, RULE, node(0), ())
    assert held is not None and held.reason is Reason.QUORUM_DOWNTIME
    assert quorum.held(both, RULE, node(2), ()) is None


def test_unreadable_group_lets_no_node_go() -> None:
    found = replace(group(3), unread="certificate signed by unknown authority")
    held = quorum.held(found, RULE, node(0), ())
    assert held is not None and held.reason is Reason.QUORUM_UNREAD
    wrong = quorum.held(replace(found, unread="no kind x", wrong=True), RULE, node(0), ())
    assert wrong is not None and wrong == Held(Reason.QUORUM_WRONG, "etcd", {"why": "no kind x"})
    assert wrong.needs_action and wrong.remedy
    # A declared one goes by the readiness of its pods.
    quiet = replace(group(3, m0={"index": None}, m1={"index": None}, m2={"index": None}), declared=True)
    assert quorum.held(replace(quiet, unread="no certificate"), RULE, node(0), ()) is None


def test_commit_takes_as_long_as_the_slowest_of_the_fastest_majority() -> None:
    found = group(5, "ffnns")
    every = found.voters
    leader = every[0]
    assert commit_seconds(found, leader, every) == pytest.approx(0.008)
    # Without the other one of the leader's site two of nyc are needed, and without one of those too the far site.
    assert commit_seconds(found, leader, [every[0], every[2], every[3], every[4]]) == pytest.approx(0.008)
    assert commit_seconds(found, leader, [every[0], every[2], every[4]]) == pytest.approx(0.160)
    assert commit_seconds(found, leader, every[:2]) is None
    assert commit_seconds(replace(found, links=()), leader, every) is None


def test_best_leader_is_the_best_connected_and_then_an_upgraded_one() -> None:
    found = group(5, "ffnns")
    assert best_leader(found, found.voters, frozenset()) == found.members[0]
    assert best_leader(found, found.voters, frozenset({node(1)})) == found.members[1]
    # The far one is never better, be it upgraded.
    assert best_leader(found, found.voters, frozenset({node(4)})) == found.members[0]
    assert best_leader(found, (), frozenset()) is None


def test_sites_whose_loss_breaks_the_remaining_majority() -> None:
    found = group(5, "ffnns")
    assert breaking_sites(found.voters, 3) == ()
    assert breaking_sites(found.members[1:], 3) == ("n",)
    assert breaking_sites(found.members[:3], 3) == ("f", "n")
    assert breaking_sites(group(3).voters, 2) == ()
    assert majority_sites(found, found.voters) == ("f", "n")
    assert majority_sites(group(5, "fffns"), group(5, "fffns").voters) == ("f",)
    assert majority_sites(found, found.voters[:2]) == ()


def test_links_whose_loss_leaves_no_majority() -> None:
    found = group(5, "ffnns")
    # sgp reaches both.
    assert breaking_links(found.voters, 3) == breaking_links(found.members[1:], 3) == ()
    assert breaking_links(found.members[:4], 3) == (("f", "n"),)
    # fra is a majority by itself, whoever else can be reached.
    assert breaking_links(group(5, "fffnn").voters, 3) == ()
    assert breaking_links(group(3).voters, 2) == ()


def stretched(member: str, breaking: str, other: str, better: str) -> Held:
    """The majority that remains is that of the sites f and n."""
    params: dict[str, str | int] = {
        "member": member,
        "sites": "f+n",
        "breaking": breaking,
        "other": other,
        "better": better,
    }
    return Held(Reason.QUORUM_STRETCH, "etcd", params)


def test_link_that_no_other_site_bridges_is_a_reason_to_wait() -> None:
    """Six voters need four: the loss of either large site breaks them in any case, that of the link between these only
    while sgp's voter is ill."""
    whole = group(6, "fffnns")
    assert quorum.held(whole, RULE, node(1), ()) is None
    held = quorum.held(replace(group(6, "fffnns", m5=DOWN), links=()), RULE, node(1), ())
    assert held == stretched("m1", "the link f-n", "m5", "lets the group survive that")


def test_majority_is_not_stretched_if_waiting_keeps_it_in_one_site() -> None:
    # m4 is down: without m3 the majority is fra and nyc, with m4 back it stays inside fra.
    found = group(5, "fffnf", m4=DOWN)
    held = quorum.held(found, RULE, node(0), ())
    assert held == stretched("m0", "n or the link f-n", "m4", "keeps it inside f")
    assert quorum.held(found, replace(RULE, stretch="allow"), node(0), ()) is None
    # The one in the other site takes nothing from fra.
    assert quorum.held(found, RULE, node(3), ()) is None


def test_leader_goes_last_and_far_members_first(golden: GoldenFiles) -> None:
    found = group(5, "ffnns")
    everyone = [node(index) for index in range(5)]
    held = quorum.order(found, RULE, node(0), everyone)
    assert held is not None and (held.reason, held.subject) == (Reason.QUORUM_ORDER, "etcd")
    assert held.params["member"] == "m0"
    assert quorum.order(found, RULE, node(1), everyone) is None
    # Without sgp the loss of either of the others breaks the majority.
    far = quorum.order(found, RULE, node(4), everyone)
    assert far is not None and (far.params["first"], far.params["member"]) == ("m1", "m4")
    near = quorum.order(group(5, "ffffs"), RULE, node(1), [node(1), node(4)])
    assert near is not None and (near.params["first"], near.params["member"]) == ("m4", "m1")
    # Where that is the same, the commit that takes less time decides.
    slow = quorum.order(group(3, "fns"), RULE, node(1), [node(1), node(2)])
    assert slow is not None and (slow.params["first"], slow.params["member"]) == ("m2", "m1")
    golden.check("\n".join(each.message for each in (held, far, near, slow)))
    # Nobody else waits any more.
    assert quorum.order(found, RULE, node(0), [node(0)]) is None
    # Equals do not wait for each other.
    assert quorum.order(group(3), RULE, node(2), [node(1), node(2)]) is None


def test_recovered_group_has_the_member_in_step(golden: GoldenFiles) -> None:
    assert quorum.why_not_recovered(group(3), RULE, node(1)) == ""
    # Members of other nodes may be unhealthy, as long as a majority is healthy.
    assert quorum.why_not_recovered(group(5, m4=DOWN), RULE, node(1)) == ""
    unrecovered = (
        group(3, m1={"index": 5}),
        group(3, m0={"leader": False}),
        group(5, m4=DOWN, m3=DOWN, m2=DOWN),
    )
    golden.check("\n".join(quorum.why_not_recovered(each, RULE, node(1)) for each in unrecovered))
