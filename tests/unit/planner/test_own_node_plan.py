"""A plan has the node of the controller's own pod last, as the controller that carries it out has."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Amount, Limits
from fleet.core.records.reasons.reason import Reason
from fleet.core.state.own_pod import DatabasePlace, OwnPod
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

NODES = [a_node(f"n-{number}", machine_id=f"m-{number}") for number in range(1, 5)]
POLICY = a_policy(replace(a_pool(limits=Limits(max_unavailable=Amount(1))), canaries=1))


def a_plan(own: bool, replicas: int = 2, database: DatabasePlace = "server", canaries: int = 1) -> Plan:
    """A plan for four nodes; the controller's pod is on the first of them."""
    workloads, pods = a_deployment("fleet-controller", replicas, NODES, "fleet-system")
    policy = replace(POLICY, pools=(replace(POLICY.pools[0], canaries=canaries),))
    request = PlanRequest(
        "p-1",
        [a_snapshot(NODES, (workloads, pods))],
        policy,
        ["workers"],
        NEW,
        START,
        DurationEstimates(),
        own=OwnPod("east", pods[0].namespace, pods[0].name, database) if own else None,
    )
    return make_plan(request)


def order(plan: Plan) -> list[str]:
    """The nodes in the order in which they are done."""
    return [run.node for run in sorted(plan.runs, key=lambda run: run.end)]


def test_own_node_comes_last_and_is_no_canary() -> None:
    plan = a_plan(own=True)
    assert order(a_plan(own=False))[-1] != "n-1"
    assert order(plan)[-1] == "n-1" and len(plan.runs) == len(NODES)
    assert [run.node for run in plan.runs if run.canary] != ["n-1"]


def test_own_node_is_a_canary_where_there_is_no_other() -> None:
    plan = a_plan(own=True, canaries=len(NODES))
    assert {run.node for run in plan.runs if run.canary} == {node.name for node in NODES}


def test_plan_says_that_the_controllers_database_would_be_lost() -> None:
    plan = a_plan(own=True, replicas=1, database="pod")
    assert [each.node for each in plan.held] == ["n-1"]
    assert [each.reason for each in plan.held] == [Reason.CONTROLLER_DATA]
