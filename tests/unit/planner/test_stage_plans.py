"""Plans of rollouts with stages and gates: the order of the stages, and the time that gates take."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.gate import AnyGate, OperatorGate, PrometheusGate, SoakGate
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

NIGHT = SoakGate(name="night", for_seconds=8 * 3600)


def a_plan(stages: tuple[RolloutStage, ...], *gates: AnyGate) -> Plan:
    policy = replace(a_policy(replace(a_pool(canaries=1), gates=gates)), stages=stages)
    clusters = [
        a_snapshot([a_node(f"{name[0]}-{number}") for number in range(3)], cluster=name)
        for name in ("east", "west")
    ]
    return make_plan(PlanRequest("", clusters, policy, ["workers"], NEW, START, DurationEstimates()))


def test_the_first_stage_has_the_canary_and_goes_before_all_others() -> None:
    made = a_plan((RolloutStage("first", clusters=("west",)),))
    assert {run.cluster for run in made.runs[:3]} == {"west"}
    assert [run.cluster for run in made.runs if run.canary] == ["west"]
    assert len(made.runs) == 6 and not made.held


def test_a_soak_behind_a_stage_takes_its_time_in_the_plan() -> None:
    without = a_plan((RolloutStage("first", clusters=("west",)),))
    made = a_plan((RolloutStage("first", clusters=("west",), gates=(NIGHT,)),))
    assert made.makespan_seconds == without.makespan_seconds + NIGHT.for_seconds
    assert not [warning for warning in made.warnings if warning.check.startswith("gate")]


def test_gates_whose_answers_cannot_be_known_are_warned_of_and_pass_in_the_plan() -> None:
    query = PrometheusGate(name="errors", url="http://p:9090", query="e", below=1.0, for_seconds=600)
    without = a_plan(())
    made = a_plan((), query, OperatorGate(name="go"))
    assert len(made.runs) == 6 and not made.held
    assert made.makespan_seconds == without.makespan_seconds + query.for_seconds
    checks = {warning.check: warning.subject for warning in made.warnings}
    assert (checks["gate-measured"], checks["gate-operator"]) == ("gate errors", "gate go")
