"""What one source knows and another does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from fleet.core.drift.orphans import orphans
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.policy.policy import Policy, Pool
from fleet.core.releases.release import Release, Stream
from fleet.core.reporting.status import StatusCluster
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step

NOW = datetime(2026, 11, 30, tzinfo=UTC)
POLICY = Policy(streams=(Stream("stable", (Release("1.0"),)),), pools=(Pool("workers", stream="stable"),))
CLUSTER = StatusCluster("east", ("fra",), True, NOW)
NODE = Node("w-1", "uid-1", system_uuid="A")
MACHINE = Machine("w-1", reported=True)


def known(node: Node | None = NODE, machine: Machine | None = MACHINE, name: str = "w-1") -> KnownNode:
    return KnownNode("east", "fra", name, node, machine)


def kinds(
    *nodes: KnownNode,
    cluster: StatusCluster = CLUSTER,
    rollouts: tuple[Rollout, ...] = (),
    since: datetime | None = None,
) -> list[str]:
    away = {} if since is None else {NodeRef("east", "w-1"): since}
    return [one.kind for one in orphans(nodes, (cluster,), POLICY, rollouts, away, NOW).findings]


def rollout(step: Step, slot: bool) -> Rollout:
    goal = Goal(NodeRef("east", "w-1"), "uid-1", "workers")
    found = Rollout("r-1", Start("p-1", Release("1.0"), POLICY, (goal,)), NOW, "ann")
    found.runs[goal.node] = replace(found.runs[goal.node], step=step, slot=slot)
    return found


def test_node_with_an_agent_is_no_orphan() -> None:
    assert kinds(known()) == []


def test_machine_without_a_node() -> None:
    assert kinds(known(node=None)) == ["no-node"]


def test_node_without_an_agent_where_the_pool_wants_one() -> None:
    assert kinds(known(machine=None)) == ["no-agent"]
    assert kinds(known(machine=replace(MACHINE, reported=False))) == ["no-agent"]


def test_node_that_is_not_ready_unless_a_run_works_on_it() -> None:
    away = known(replace(NODE, ready=None))
    assert kinds(away) == ["not-ready"]
    assert kinds(away, since=NOW - timedelta(hours=2)) == ["not-ready"]
    assert kinds(away, since=NOW - timedelta(minutes=5)) == []
    assert kinds(away, rollouts=(rollout(Step.REBOOT, slot=True),)) == []


def test_slot_of_a_node_that_was_deleted() -> None:
    failed = rollout(Step.FAILED, slot=True)
    assert kinds(rollouts=(failed,)) == ["slot-of-deleted"]
    assert kinds(known(), rollouts=(failed,)) == []
    assert kinds(rollouts=(rollout(Step.FAILED, slot=False),)) == []


def test_machine_that_is_known_by_two_names() -> None:
    other = known(
        replace(NODE, name="w-2", uid="uid-2", system_uuid="a"), replace(MACHINE, name="w-2"), "w-2"
    )
    assert kinds(known(), other) == ["same-machine", "same-machine"]


def test_machine_with_two_names_is_found_in_either_order_of_its_bytes() -> None:
    first = replace(NODE, system_uuid="00112233-4455-6677-8899-aabbccddeeff")
    second = replace(NODE, name="w-2", uid="uid-2", system_uuid="33221100-5544-7766-8899-AABBCCDDEEFF")
    other = known(second, replace(MACHINE, name="w-2"), "w-2")
    assert kinds(known(first), other) == ["same-machine", "same-machine"]


def test_finding_names_a_few_of_the_many_nodes_with_one_uuid() -> None:
    boards = [
        known(replace(NODE, name=name, uid=name), replace(MACHINE, name=name), name)
        for name in (f"w-{number}" for number in range(40))
    ]
    found = orphans(boards, (CLUSTER,), POLICY, (), {}, NOW).findings
    assert len(found) == 40
    assert all(one.message.count("east/w-") == 5 and "34 more" in one.message for one in found)
    assert all(f"east/{one.name}," not in one.message for one in found)


def test_nothing_is_said_about_nodes_of_a_cluster_that_does_not_answer() -> None:
    away = replace(CLUSTER, reachable=False)
    assert kinds(known(node=None), cluster=away, rollouts=(rollout(Step.FAILED, slot=True),)) == [
        "unseen-cluster"
    ]
