"""A plan over the nodes of a quorum group: its order, its snapshots, its leader's move, its latency, its bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fleet.cli.plan_view import whole
from fleet.core.groups import Group
from fleet.core.plan import Plan
from fleet.core.policy import Amount, Limits
from fleet.core.quorum import Link, QuorumRule, SnapshotRule
from fleet.core.times import Times
from fleet.histories.builders import NEW, START, a_group, a_node, a_policy, a_pool, a_snapshot
from fleet.sim.planner import make_plan

LINKS = (Link("f", "n", 0.008), Link("f", "s", 0.160), Link("n", "s", 0.150))


def a_plan(count: int, sites: str, rule: QuorumRule, soak: int = 30) -> Plan:
    nodes = [a_node(f"m-{index}") for index in range(count)]
    group = replace(a_group(nodes, sites=sites), links=LINKS)
    pool = a_pool(limits=Limits(max_unavailable=Amount(9)), soak_seconds=soak)
    policy = replace(a_policy(pool), quorums=(Group("etcd", "east", rule=rule),))
    return make_plan("p-1", [a_snapshot(nodes, quorums=(group,))], policy, ["workers"], NEW, START, Times())


def test_every_voter_is_in_the_plan_with_what_is_done_for_it() -> None:
    plan = a_plan(5, "ffnns", QuorumRule(snapshot=SnapshotRule("/backup")))
    votes = sorted((vote for run in plan.runs for vote in run.votes), key=lambda vote: vote.at)
    assert [vote.member for vote in votes][-1] == "m0"
    assert [vote.leader_to for vote in votes] == ["", "", "", "", "m1"]
    assert all(vote.snapshot_at is not None and vote.snapshot_at < vote.at for vote in votes)
    by_member = {vote.member: vote for vote in votes}
    # fra leads: with both of its voters one of nyc makes the majority.
    assert by_member["m4"].commit_seconds == pytest.approx(0.008)
    assert (by_member["m4"].breaking, by_member["m4"].breaking_links) == (("f", "n"), ("f-n",))
    assert (by_member["m1"].breaking, by_member["m1"].breaking_links) == (("n",), ())
    assert by_member["m1"].commit_seconds == pytest.approx(0.008)


def test_no_two_runs_of_a_group_overlap_and_the_bound_knows_it() -> None:
    plan = a_plan(3, "", QuorumRule(soak_seconds=100))
    spans = sorted(
        (next(step.start for step in run.steps if step.step == "cordon"), run.end) for run in plan.runs
    )
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert plan.bound_by == "quorum group etcd"
    assert plan.lower_bound_seconds <= plan.makespan_seconds <= 1.1 * plan.lower_bound_seconds


def test_the_plan_says_it_in_words() -> None:
    words = whole(a_plan(5, "ffnns", QuorumRule(snapshot=SnapshotRule("/backup"))), START).plain
    assert "etcd: one voter at a time" in words
    assert "snapshot first; m1 leads from then on" in words
    assert "meanwhile the loss of f or n or the link f-n would stop it" in words
    assert all(len(line) <= 110 for line in words.splitlines())


def test_a_group_that_cannot_spare_anybody_is_held_with_what_to_do() -> None:
    plan = a_plan(1, "", QuorumRule())
    assert plan.runs == ()
    [held] = plan.held
    assert held.reason == "quorum-downtime" and "downtime: allow" in held.advice
