"""A plan of a pool with silences is that of the pool without: a plan silences nothing, and waits for no Alertmanager."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.alerting.silence import SilenceRule
from fleet.core.policy.policy import Policy
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_policy, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

RULE = SilenceRule(name="node", alertmanager="http://am", matchers={"node": "{node}"}, required=True)


def planned(policy: Policy) -> Plan:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    snapshot = a_snapshot(nodes, a_deployment("shop", 2, nodes))
    return make_plan(PlanRequest("p-1", [snapshot], policy, ["workers"], NEW, START, DurationEstimates()))


def test_silences_change_no_time_of_a_plan() -> None:
    policy = a_policy()
    silenced = replace(policy, pools=(replace(policy.pools[0], silences=(RULE,)),))
    loud, quiet = planned(policy), planned(silenced)
    assert loud.begin().goals and replace(quiet, policy=loud.policy) == loud
