"""What a drain asks of budgets, and how long that is remembered."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import DrainRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.event import ClusterObject
from fleet.lab.simulation.builders import a_budget, a_deployment, a_node

API, ALL = PodRef("web", "api"), PodRef("web", "all")


def a_view() -> tuple[ClusterView, list[Pod]]:
    """Three pods of web/api on n-1."""
    view, node = ClusterView("east"), a_node("n-1")
    workloads, pods = a_deployment("api", 3, [node])
    things: list[ClusterObject] = [node, a_budget("api", 3, 1), *workloads, *pods]
    for thing in things:
        view.upsert(thing)
    return view, pods


def counts(view: ClusterView) -> dict[PodRef, int]:
    return {ref: count for ref, (count, _) in view.drain_demand("n-1").needs(view.budgets).items()}


def test_drain_demand_is_computed_once() -> None:
    view, _ = a_view()
    assert counts(view) == {API: 3}
    assert view.drain_demand("n-1") is view.drain_demand("n-1")


def test_added_deleted_and_changed_pods_are_seen() -> None:
    view, pods = a_view()
    counts(view)
    view.upsert(replace(pods[0], deleting=True))
    assert counts(view) == {API: 2}
    view.delete(pods[1])
    assert counts(view) == {API: 1}
    view.upsert(replace(pods[1], uid="another"))
    assert counts(view) == {API: 2}
    view.upsert(replace(pods[2], node="n-2"))
    assert counts(view) == {API: 1}


def test_added_and_deleted_budgets_are_seen() -> None:
    view, _ = a_view()
    counts(view)
    every = Budget("web", "all", "b-all", Selector(), max_unavailable=1)
    view.upsert(every)
    assert set(counts(view)) == {API, ALL}
    held = view.drain_demand("n-1").held(DrainRule())
    assert {each.reason for _, each in held} == {Reason.SEVERAL_BUDGETS}
    view.delete(every)
    assert set(counts(view)) == {API}
    assert view.drain_demand("n-1").held(DrainRule()) == []


def test_demand_of_an_unready_pod_follows_the_current_budget() -> None:
    view, pods = a_view()
    view.upsert(replace(pods[0], ready=False))
    assert counts(view) == {API: 2}
    view.upsert(replace(view.budgets[API], current_healthy=1))
    assert counts(view) == {API: 3}


def test_scarcest_budget_comes_first() -> None:
    view, _ = a_view()
    wide = replace(a_budget("zeal", 3, 3), expected_pods=3)
    view.upsert(replace(wide, name="aaa", selector=Selector({"app": "api"})))
    assert next(iter(counts(view))) == API


def test_another_drain_rule_is_computed_again() -> None:
    view, pods = a_view()
    view.upsert(replace(pods[0], local_data=True))
    assert view.drain_demand("n-1").held(DrainRule()) == []
    held = view.drain_demand("n-1").held(DrainRule(local_data="hold"))
    assert [each.reason for _, each in held] == [Reason.LOCAL_DATA]
