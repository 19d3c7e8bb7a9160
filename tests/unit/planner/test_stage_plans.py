"""Plans of rollouts with stages and gates: the order of the stages, and the time that gates take."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from fleet.cli.views.plan.held import hold_summary
from fleet.core.objects.node import Taint
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.gate import AnyGate, OperatorGate, PrometheusGate, SoakGate
from fleet.core.policy.policy import Amount, Limits
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.records.reasons.reason import Reason
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


def test_the_lower_bound_counts_the_order_of_stages_and_the_times_of_gates() -> None:
    query = PrometheusGate(name="errors", url="http://p:9090", query="e", below=1.0, for_seconds=600)
    first = RolloutStage("first", clusters=("west",))
    plain, staged = a_plan(()), a_plan((first,))
    soaked = a_plan((replace(first, gates=(NIGHT, OperatorGate(name="go"))),), query)
    assert plain.lower_bound_seconds < staged.lower_bound_seconds <= staged.makespan_seconds
    assert soaked.lower_bound_seconds == staged.lower_bound_seconds + NIGHT.for_seconds + query.for_seconds
    assert soaked.lower_bound_seconds <= soaked.makespan_seconds
    for text in ("2 stages", "night (8h)", "errors (10m)", "(go) is unknown"):
        assert text in soaked.bound_by


def test_the_lower_bound_counts_sites_that_go_in_turn() -> None:
    both = a_plan((RolloutStage("all"),))
    in_turn = a_plan((RolloutStage("all", sites_at_once=1),))
    assert both.lower_bound_seconds <= in_turn.lower_bound_seconds <= in_turn.makespan_seconds


def test_gates_behind_the_last_stage_delay_nothing() -> None:
    staged = a_plan((RolloutStage("first", clusters=("west",)),))
    last = a_plan((RolloutStage("first", clusters=("west",)), RolloutStage("rest", gates=(NIGHT,))))
    assert last.lower_bound_seconds == staged.lower_bound_seconds


def test_what_other_parties_remove_makes_a_limit_that_passes_by_itself() -> None:
    """The pool's only place is taken by a node that the autoscaler deletes."""
    deleted = Taint("ToBeDeletedByClusterAutoscaler", "NoSchedule", "1793610000")
    for taints, ready, opens in (((deleted,), False, True), ((), False, UNSET)):
        nodes = [a_node("n-0"), a_node("n-1"), a_node("out", taints=taints, ready=ready)]
        policy = a_policy(a_pool(limits=Limits(Amount(1))))
        request = PlanRequest("", [a_snapshot(nodes)], policy, ["workers"], NEW, START, DurationEstimates())
        limited = [hold for hold in make_plan(request).held if hold.reason == Reason.POOL_LIMIT]
        assert [hold.node for hold in limited] == ["n-0", "n-1"]
        assert {hold.opens for hold in limited} == {opens}
        assert ("operator" in hold_summary(limited)) is (opens is UNSET)
