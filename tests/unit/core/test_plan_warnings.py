"""Everything in the snapshot that will hold or fail a run is reported by the plan."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.linting.lint import lint
from fleet.core.objects.budget import Budget
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.workload import Workload
from fleet.core.planning.estimates import DurationEstimates, Estimate
from fleet.core.planning.plan import Plan, PlannedHold
from fleet.core.policy.policy import DrainRule, Pool, RebootRule
from fleet.core.policy.times.window import Window
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.event import ClusterSynced, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

NODES = [a_node(f"n-{number}") for number in (1, 2, 3)]
DAY = 86_400


def a_shop(
    replicas: int = 3, nodes: list[Node] = NODES, **fields: object
) -> tuple[list[Workload], list[Pod]]:
    workloads, pods = a_deployment("shop", replicas, nodes)
    return workloads, [replace(pod, **fields) for pod in pods]


def the_plan(
    snapshot: Snapshot, rule: DrainRule | None = None, times: DurationEstimates | None = None, **pool: object
) -> Plan:
    own = a_pool(drain=rule or DrainRule(), **pool)  # type: ignore[arg-type]
    return make_plan(
        PlanRequest("p", [snapshot], a_policy(own), ["workers"], NEW, START, times or DurationEstimates())
    )


def checks(plan: Plan) -> dict[str, str]:
    return {each.check: f"{each.subject}: {each.message}" for each in plan.warnings}


def test_volume_limits_of_nodes_are_reported_as_unchecked() -> None:
    with_volumes = a_snapshot(NODES, a_shop(claims=("data",)))
    assert "3 pods" in checks(the_plan(with_volumes))["volume-limits"]
    assert "volume-limits" not in checks(the_plan(a_snapshot(NODES, a_shop())))
    assert not [each for each in lint(a_policy(), [with_volumes]).findings if each.check == "volume-limits"]


def only(plan: Plan) -> PlannedHold:
    [hold] = plan.held
    return hold


def test_plan_of_a_healthy_fleet_has_no_warning() -> None:
    plan = the_plan(a_snapshot(NODES, a_shop(), [a_budget("shop", 3, 1)]))
    assert (plan.warnings, plan.held) == ((), ())


# Graces


@pytest.mark.parametrize(
    ("rule", "source", "seconds"),
    [
        (DrainRule(), "terminationGracePeriodSeconds", DAY),
        (DrainRule(grace_seconds=4000), "drain.grace", 4000),
    ],
)
def test_pod_with_a_longer_grace_period_than_the_drain_timeout_is_held(
    rule: DrainRule, source: str, seconds: int
) -> None:
    plan = the_plan(a_snapshot(NODES, a_shop(1, grace_seconds=DAY)), rule)
    hold = only(plan)
    assert (hold.node, hold.reason) == ("n-1", Reason.GRACE)
    assert hold.held is not None
    assert hold.held.params == {"grace": seconds, "timeout": 3600, "source": source}


@pytest.mark.parametrize("rule", [DrainRule(timeout_seconds=DAY + 1), DrainRule(grace_seconds=60)])
def test_either_remedy_lets_it_go(rule: DrainRule) -> None:
    plan = the_plan(a_snapshot(NODES, a_shop(1, grace_seconds=DAY)), rule)
    assert not plan.held and len(plan.runs) == 3


def test_terminating_pod_with_a_long_grace_period_is_waited_for_before_the_cordon() -> None:
    def held(seconds: int) -> list[str]:
        gone_by = START + timedelta(seconds=seconds)
        pods = a_shop(1, grace_seconds=seconds, deleting=True, gone_by=gone_by)
        first = Engine({"east": "fra"})
        for thing in a_snapshot(NODES, pods).objects():
            first.observe(Upserted("east", thing), START)
        first.observe(ClusterSynced("east", "v1.36.3"), START)
        goal = Goal(NodeRef("east", "n-1"), "uid-n-1", "workers")
        first.add(Rollout("r-1", Start("", NEW, a_policy(), (goal,)), START, "test"))
        return [each.reason for each in first.why(goal.node, START)]

    assert Reason.TERMINATING in held(DAY) and Reason.GRACE not in held(DAY)
    assert Reason.TERMINATING not in held(1200)


def test_long_grace_period_that_fits_is_reported_with_both_numbers() -> None:
    reported = checks(the_plan(a_snapshot(NODES, a_shop(3, grace_seconds=1800))))
    assert "1800 s" in reported["long-grace"] and "drain.timeout is 1h" in reported["long-grace"]
    assert "3 pods" in reported["long-grace"]


def test_sequential_grace_periods_may_together_exceed_the_drain_timeout() -> None:
    snapshot = a_snapshot(NODES, a_shop(4, NODES[:1], grace_seconds=1200), [a_budget("shop", 4, 1)])
    reported = checks(the_plan(snapshot))
    assert reported["one-after-another"].startswith("web/shop: ")
    assert "4800 s" in reported["one-after-another"] and "3600 s" in reported["one-after-another"]
    two = a_snapshot(NODES, a_shop(4, NODES[:1], grace_seconds=1200), [a_budget("shop", 4, 2)])
    assert "one-after-another" not in checks(the_plan(two))


def test_grace_period_of_the_policy_below_that_of_pods_is_reported() -> None:
    snapshot = a_snapshot(NODES, a_shop(1, grace_seconds=600))
    assert "600 s" in checks(the_plan(snapshot, DrainRule(grace_seconds=10)))["grace-cut"]


# Budgets


def unhealthy(**fields: object) -> Budget:
    """The budget `shop` of two pods, none of which is Ready."""
    budget = a_budget("shop", 2, 1)
    return replace(budget, current_healthy=0, disruptions_allowed=0, **fields)


@pytest.mark.parametrize("since", [None, START - timedelta(days=3)])
def test_unready_pods_are_named_with_a_remedy(since: object) -> None:
    pods = a_shop(2, NODES[:2], ready=False, unready_since=since)
    plan = the_plan(a_snapshot(NODES, pods, [unhealthy()]))
    assert [run.node for run in plan.runs] == ["n-3"]
    assert {hold.reason for hold in plan.held} == {Reason.BUDGET_UNHEALTHY}
    assert all("web/shop-1-0, web/shop-1-1" in hold.detail for hold in plan.held)
    assert all("AlwaysAllow" in hold.remedy for hold in plan.held)
    canaries = the_plan(a_snapshot(NODES, pods, [unhealthy()]), canaries=1)
    assert [run.node for run in canaries.runs] == ["n-3"] and canaries.runs[0].canary


def test_unready_pods_with_always_allow_go() -> None:
    pods = a_shop(2, NODES[:2], ready=False, unready_since=START - timedelta(days=3))
    plan = the_plan(a_snapshot(NODES, pods, [unhealthy(unhealthy_policy="AlwaysAllow")]))
    assert len(plan.runs) == 3 and not plan.held


def test_starting_pods_are_temporary() -> None:
    pods = a_shop(2, NODES[:2], ready=False, phase="Pending", unready_since=START - timedelta(seconds=5))
    plan = the_plan(a_snapshot(NODES, pods, [unhealthy()]))
    assert len(plan.runs) == 3 and not plan.held


def test_one_unready_pod_of_many_leaves_the_rest_of_the_budget() -> None:
    """The budget lets two be away; one is, for days. A node with two of its pods goes, one pod after the other."""
    workloads, pods = a_shop(6, NODES[:2])
    since = START - timedelta(days=3)
    sick = [
        replace(pods[0], node="n-3", ready=False, unready_since=since, phase="Running"),
        *pods[1:],
    ]
    budget = replace(a_budget("shop", 6, 2), current_healthy=5, disruptions_allowed=1)
    plan = the_plan(a_snapshot(NODES, (workloads, sick), [budget]))
    assert "n-1" in [run.node for run in plan.runs]
    assert all(hold.reason is not Reason.BUDGET for hold in plan.held)


def test_ready_pod_behind_unready_ones_elsewhere_has_no_remedy_always_allow() -> None:
    workloads, pods = a_shop(3)
    since = START - timedelta(hours=1)
    sick = [replace(pods[0], ready=False, unready_since=since), *pods[1:]]
    budget = replace(a_budget("shop", 3, 1), current_healthy=2, disruptions_allowed=0)
    plan = the_plan(a_snapshot(NODES, (workloads, sick), [budget]))
    by_node = {hold.node: hold for hold in plan.held}
    assert by_node["n-2"].reason == Reason.BUDGET_UNHEALTHY and "AlwaysAllow" not in by_node["n-2"].remedy


@pytest.mark.parametrize("rule", [{"max_unavailable": 1}, {"max_unavailable": None, "min_available": "50%"}])
def test_unmanaged_pods_under_a_rule_that_needs_a_controller_are_reported(rule: dict[str, object]) -> None:
    pods = [replace(pod, owner=None) for pod in a_shop(2)[1]]
    fields = {
        "expected_pods": 0,
        "desired_healthy": 0,
        "disruptions_allowed": 0,
        "current_healthy": 2,
        **rule,
    }
    budget = replace(a_budget("shop", 2, 1), **fields)
    plan = the_plan(a_snapshot(NODES, ([], pods), [budget]), DrainRule(unmanaged="evict"))
    assert {hold.reason for hold in plan.held} == {Reason.BUDGET_UNCOUNTED}
    assert all("minAvailable" in hold.remedy for hold in plan.held)


def test_all_reasons_of_a_node_are_reported_not_only_the_first() -> None:
    pods = [replace(pod, owner=None, grace_seconds=DAY) for pod in a_shop(1)[1]]
    budget = replace(a_budget("shop", 1, 1), expected_pods=0, desired_healthy=0, disruptions_allowed=0)
    hold = only(the_plan(a_snapshot(NODES, ([], pods), [budget])))
    assert hold.reason == Reason.UNMANAGED
    assert [held.reason for held in hold.others] == [Reason.BUDGET_UNCOUNTED]


def test_uncomputed_budget_stays_uncomputed_in_the_plan() -> None:
    """A custom resource without a scale: the model took the budget's failure away and promised the nodes."""
    pods = [replace(pod, owner=Owner("Game", "g", "g")) for pod in a_shop(3)[1]]
    budget = replace(
        a_budget("shop", 3, 1), disruptions_allowed=0, observed_generation=0, failure="no scale subresource"
    )
    plan = the_plan(a_snapshot(NODES, ([], pods), [budget]))
    assert {hold.reason for hold in plan.held} == {Reason.BUDGET_FAILED} and not plan.runs


# What was not read


def test_unread_kinds_are_reported_where_the_plan_would_need_them() -> None:
    snapshot = a_snapshot(NODES, ([], a_shop()[1]))
    lacking = replace(
        snapshot, missing={"poddisruptionbudgets": "none in the file", "replicasets": "none in the file"}
    )
    assert set(checks(the_plan(lacking))) == {"no-budgets", "no-workloads"}
    forbidden = replace(snapshot, missing={"replicasets": "replicasets is forbidden: no right to list"})
    [warning] = the_plan(forbidden).warnings
    assert warning.check == "no-workloads" and "fleet cluster check" in warning.remedy


def test_unreadable_volume_attachments_are_reported_where_pods_with_claims_move() -> None:
    workloads, pods = a_shop()
    forbidden = {"volumeattachments": 'volumeattachments is forbidden: User "x" cannot list resource'}
    claiming = [replace(pod, claims=("data",)) for pod in pods]
    plan = the_plan(replace(a_snapshot(NODES, (workloads, claiming)), missing=forbidden))
    [warning] = [each for each in plan.warnings if each.check == "volumes-unread"]
    assert "fleet cluster check" in warning.remedy
    assert the_plan(replace(a_snapshot(NODES, (workloads, pods)), missing=forbidden)).warnings == ()
    in_a_file = {"volumeattachments": "none in the file"}
    plan = the_plan(replace(a_snapshot(NODES, (workloads, claiming)), missing=in_a_file))
    assert "volumes-unread" not in checks(plan)


def test_kinds_that_the_plan_does_not_need_are_not_reported() -> None:
    snapshot = replace(
        a_snapshot(NODES, a_shop()), missing={"jobs": "none in the file", "daemonsets": "none in the file"}
    )
    assert the_plan(snapshot).warnings == ()


def test_dump_of_a_single_namespace_is_reported() -> None:
    snapshot = replace(
        a_snapshot(NODES, a_shop(12), [a_budget("shop", 12, 1)]), missing={"jobs": "none in the file"}
    )
    assert "web" in checks(the_plan(snapshot))["one-namespace"]


# Times and windows


def test_timeout_that_measured_runs_have_exceeded_is_reported() -> None:
    times = DurationEstimates(
        measured={
            "reboot": {("workers", "simulated"): Estimate("reboot", 300, 1000, 40, "workers", "simulated")}
        }
    )
    reported = checks(the_plan(a_snapshot(NODES), times=times, reboot=RebootRule(timeout_seconds=900)))
    assert "900 s" in reported["reboot-timeout"] and "1000 s" in reported["reboot-timeout"]
    long_enough = RebootRule(timeout_seconds=1200)
    assert "reboot-timeout" not in checks(the_plan(a_snapshot(NODES), times=times, reboot=long_enough))


def test_window_shorter_than_a_run_is_reported() -> None:
    def a_window(minutes: int) -> Window:
        return Window(tuple(range(7)), time(9, 0), time(9, minutes))

    assert "window-short" in checks(the_plan(a_snapshot(NODES), windows=(a_window(2),)))
    assert "window-short" not in checks(the_plan(a_snapshot(NODES), windows=(a_window(30),)))


def test_lint_reports_the_same() -> None:
    pods = a_shop(1, grace_seconds=DAY)
    own: Pool = a_pool()
    found = lint(a_policy(own), [a_snapshot(NODES, pods)]).findings
    assert [(each.check, each.subject) for each in found] == [("grace", "web/shop-1-0")]


def test_lint_reports_one_reason_of_many_nodes_once() -> None:
    pods = a_shop(2, NODES[:2], ready=False, unready_since=START - timedelta(days=3))
    found = lint(a_policy(a_pool()), [a_snapshot(NODES, pods, [unhealthy()])]).findings
    assert [(each.check, each.subject) for each in found] == [("budget-unhealthy", "web/shop")]
