"""What would hold a node until an operator acts, asked of a snapshot, and as findings of lint."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.lint import lint
from fleet.core.objects.pod import Owner, Pod
from fleet.core.planning.obstacles import obstacles
from fleet.core.policy.drain_rule import PodRule
from fleet.core.policy.policy import DrainRule, Policy
from fleet.core.records.reasons.reason import Reason
from fleet.lab.simulation.builders import a_budget, a_deployment, a_node, a_policy, a_pool, a_snapshot

NODES = [a_node(f"n-{number}", zone) for number, zone in enumerate("abc")]


def reasons(snapshot: Snapshot, policy: Policy | None = None) -> list[tuple[Reason, str, tuple[str, ...]]]:
    found = obstacles(policy or a_policy(), snapshot)
    return [(each.held.reason, each.held.subject, each.nodes) for each in found]


def test_healthy_fleet_has_no_obstacles() -> None:
    assert reasons(a_snapshot(NODES, a_deployment("api", 6, NODES), [a_budget("api", 6, 1)])) == []


def test_pod_without_a_controller_holds_its_node_unless_the_pool_lets_it_go() -> None:
    bare = Pod("ops", "debug", "p-debug", "n-1")
    snapshot = a_snapshot(NODES, ([], [bare]))
    assert reasons(snapshot) == [(Reason.UNMANAGED, "ops/debug", ("n-1",))]
    assert reasons(snapshot, a_policy(a_pool(drain=DrainRule(unmanaged="evict")))) == []


def test_one_reason_names_every_node_that_it_holds() -> None:
    workloads, pods = a_deployment("db", 3, NODES)
    never = replace(a_budget("db", 3, 0), desired_healthy=3, disruptions_allowed=0)
    assert reasons(a_snapshot(NODES, (workloads, pods), [never])) == [
        (Reason.BUDGET_NEVER, "web/db", ("n-0", "n-1", "n-2"))
    ]


def test_temporary_reasons_are_no_obstacles() -> None:
    workloads, pods = a_deployment("db", 3, NODES)
    busy = replace(a_budget("db", 3, 1), disruptions_allowed=0, current_healthy=2)
    assert reasons(a_snapshot(NODES, (workloads, pods), [busy])) == []


def test_nodes_of_no_pool_are_left_out() -> None:
    elsewhere = [*NODES, a_node("gpu-0", pool="gpu")]
    bare = Pod("ops", "debug", "p-debug", "gpu-0")
    assert reasons(a_snapshot(elsewhere, ([], [bare]))) == []


def test_each_pool_has_its_own_drain_rules() -> None:
    nodes = [a_node("w-0"), a_node("d-0", pool="data"), a_node("d-1", pool="data")]
    local = Pod("db", "cache-0", "p-0", "d-0", owner=Owner("StatefulSet", "cache", "s"), local_data=True)
    there = replace(local, name="cache-1", uid="p-1", node="w-0")
    policy = a_policy(a_pool(), a_pool("data", drain=DrainRule(local_data="hold")))
    assert reasons(a_snapshot(nodes, ([], [local, there])), policy) == [
        (Reason.LOCAL_DATA, "db/cache-0", ("d-0",))
    ]


def test_lint_names_what_holds_which_nodes() -> None:
    bare = Pod("ops", "debug", "p-debug", "n-1")
    (found,) = lint(a_policy(), [a_snapshot(NODES, ([], [bare]))]).findings
    assert (found.check, found.subject) == ("unmanaged", "ops/debug")
    assert "holds n-1" in found.message and found.remedy


@pytest.mark.parametrize("changes", [{"ready": False}, {"ready": None}, {"uid": ""}])
def test_lint_leaves_temporary_states_to_status(changes: dict[str, Any]) -> None:
    assert lint(a_policy(), [a_snapshot([*NODES, a_node("n-9", **changes)])]).findings == ()


def test_lint_reports_a_finding_of_its_own_check_once() -> None:
    workloads, pods = a_deployment("db", 3, NODES)
    never = replace(a_budget("db", 3, 0), desired_healthy=3, disruptions_allowed=0)
    found = lint(a_policy(), [a_snapshot(NODES, (workloads, pods), [never])]).findings
    assert [each.check for each in found] == ["budget-never"]


def test_lint_reports_the_nodes_of_an_operator_as_tried() -> None:
    """Its budget allows nothing as a protocol: to loosen the budget would be wrong advice."""
    workloads, pods = a_deployment("im", 1, NODES)
    own = [replace(pod, labels={**pod.labels, "longhorn.io/component": "instance-manager"}) for pod in pods]
    never = replace(a_budget("im", 1, 0), desired_healthy=1, disruptions_allowed=0)
    (found,) = lint(a_policy(), [a_snapshot(NODES, (workloads, own), [never])]).findings
    assert found.check == "length-unknown" and "tries n-0" in found.message
    kept = a_policy(a_pool(drain=DrainRule(rules=(PodRule("as-others", "evict"),))))
    (found,) = lint(kept, [a_snapshot(NODES, (workloads, own), [never])]).findings
    assert found.check == "budget-never"
