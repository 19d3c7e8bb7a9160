"""A plan over the nodes of a quorum group: its order, its snapshots, its leader's move, its latency, its bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fleet.cli.views.plan.overview import plan_overview
from fleet.core.objects.node import Node, NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Amount, Limits
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Link, Quorum, QuorumRule, SnapshotRule
from fleet.lab.simulation.builders import NEW, START, a_group, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.golden import GoldenFiles

LINKS = (Link("f", "n", 0.008), Link("f", "s", 0.160), Link("n", "s", 0.150))


def a_plan(count: int, sites: str, rule: QuorumRule, soak: int = 30) -> Plan:
    nodes = [a_node(f"m-{index}") for index in range(count)]
    group = replace(a_group(nodes, sites=sites), links=LINKS)
    pool = a_pool(limits=Limits(max_unavailable=Amount(9)), soak_seconds=soak)
    policy = replace(a_policy(pool), quorums=(QuorumGroup("etcd", "east", rule=rule),))
    return make_plan(
        PlanRequest(
            "p-1", [a_snapshot(nodes, quorums=(group,))], policy, ["workers"], NEW, START, DurationEstimates()
        )
    )


def test_every_voter_is_in_the_plan_with_its_actions() -> None:
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


def test_runs_of_a_group_never_overlap_and_the_bound_includes_that() -> None:
    plan = a_plan(3, "", QuorumRule(soak_seconds=100))
    spans = sorted(
        (next(step.start for step in run.steps if step.step == "cordon"), run.end) for run in plan.runs
    )
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert plan.bound_by == "quorum group etcd"
    assert plan.lower_bound_seconds <= plan.makespan_seconds <= 1.1 * plan.lower_bound_seconds


def test_overview_of_a_plan_with_a_quorum_group(golden: GoldenFiles) -> None:
    page = plan_overview(a_plan(5, "ffnns", QuorumRule(snapshot=SnapshotRule("/backup"))), START).plain
    golden.check(page)
    assert all(len(line) <= 110 for line in page.splitlines())


def etcd_of(versions: str, storage: str = "3.6.0") -> tuple[Quorum, list[Node]]:
    """A letter for each member: `o` runs 3.6, `n` runs 3.7."""
    nodes = [a_node(f"m-{index}") for index in range(len(versions))]
    group = a_group(nodes)
    reported = {"o": "3.6.8", "n": "3.7.3"}
    members = tuple(
        replace(each, version=reported[letter], storage=storage)
        for each, letter in zip(group.members, versions, strict=True)
    )
    return replace(group, members=members), nodes


def plan_of(group: Quorum, nodes: list[Node], brought: dict[tuple[NodeRef, str], dict[str, str]]) -> Plan:
    policy = replace(
        a_policy(a_pool(limits=Limits(max_unavailable=Amount(9)))), quorums=(QuorumGroup("etcd", "east"),)
    )
    snapshot = a_snapshot(nodes, quorums=(group,))
    return make_plan(
        PlanRequest("p-1", [snapshot], policy, ["workers"], NEW, START, DurationEstimates(), brought=brought)
    )


def test_plan_waits_before_the_last_voter_and_warns_that_there_is_no_way_back(golden: GoldenFiles) -> None:
    plan = plan_of(*etcd_of("nno"), {})
    [last] = [vote for run in plan.runs for vote in run.votes if vote.last_before]
    assert (last.member, last.etcd, last.last_before) == ("m2", "3.6.8", "3.7") and last.at >= 900
    golden.check(plan_overview(plan, START).plain)


def test_plan_warns_if_the_etcd_version_of_a_release_is_unknown(golden: GoldenFiles) -> None:
    plan = plan_of(*etcd_of("ooo"), {})
    assert not [vote for run in plan.runs for vote in run.votes if vote.last_before]
    golden.check(plan_overview(plan, START).plain, "upgrade")
    golden.check(plan_overview(replace(plan, rolls_back="r-1"), START).plain, "rollback")


def test_voters_that_cannot_go_back_are_held_and_the_other_nodes_go() -> None:
    group, nodes = etcd_of("nnn", "3.7.0")
    brought = {(NodeRef("east", each.name), each.uid): {"etcd": "3.6.8"} for each in nodes}
    plan = plan_of(group, [*nodes, a_node("w-0")], brought)
    assert [run.node for run in plan.runs] == ["w-0"]
    assert {(each.node, each.reason) for each in plan.held} == {(each.name, "etcd-data") for each in nodes}
    assert {each.held.params["old"] for each in plan.held if each.held is not None} == {"3.6"}
    # Who starts the plan all the same has them held by the engine as well.
    assert [goal.etcd for goal in plan.begin().goals if goal.node.name != "w-0"] == [{"etcd": "3.6.8"}] * 3
    ready = plan_of(*etcd_of("nnn", "3.6.0"), brought)
    assert len(ready.runs) == 3 and {vote.brings for run in ready.runs for vote in run.votes} == {"3.6.8"}
    assert "is not known" not in plan_overview(replace(ready, rolls_back="r-1"), START).plain


def test_group_without_a_spare_voter_is_held_with_a_remedy() -> None:
    plan = a_plan(1, "", QuorumRule())
    assert plan.runs == ()
    [held] = plan.held
    assert held.reason == "quorum-downtime" and held.held is not None
    assert held.remedy == held.held.remedy
