"""The budgets of a pod, and the unready pods of a budget: kept up to date with pods, labels and selectors."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from fleet.core.cluster.budget_index import BudgetIndex
from fleet.core.cluster.pod_index import PodIndex
from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.selector import Selector

APPS = ("shop", "blog")
BUDGETS = ("one", "two")
CHANGES = st.one_of(
    st.tuples(st.just("pod"), st.sampled_from("abcd"), st.sampled_from(APPS), st.booleans(), st.booleans()),
    st.tuples(st.just("gone"), st.sampled_from("abcd")),
    st.tuples(st.just("budget"), st.sampled_from(BUDGETS), st.sampled_from((*APPS, None))),
    st.tuples(st.just("ask"), st.sampled_from(BUDGETS)),
)


@given(st.lists(CHANGES, max_size=40))
def test_unready_pods_are_those_of_a_naive_search(changes: list[tuple[object, ...]]) -> None:
    index, pods = BudgetIndex(), PodIndex()
    for kind, name, *rest in changes:
        ref = PodRef("ns", str(name))
        match kind:
            case "pod":
                app, ready, deleting = rest
                pod = Pod(
                    "ns",
                    str(name),
                    f"u-{name}",
                    labels={"app": str(app)},
                    ready=bool(ready),
                    deleting=bool(deleting),
                )
                pods.upsert(pods.pods.get(pod.uid), pod)
                index.upsert_pod(pod)
            case "gone":
                pods.delete(f"u-{name}")
                index.forget_pod(f"u-{name}")
            case "budget":
                (app,) = rest
                selector = Selector() if app is None else Selector(match_labels={"app": str(app)})
                index.upsert(ref, Budget("ns", str(name), f"u-{name}", selector=selector))
            case _:
                found = {pod.uid for pod in index.unready(ref, pods)}
                budget = index.budgets.get(ref)
                wanted = {
                    pod.uid
                    for pod in pods.pods.values()
                    if budget is not None and not pod.ready and not pod.deleting and budget.matches(pod)
                }
                assert found == wanted


SHARED = {"app": "shop"}
"""One object for the labels of several pods, as those of one template have."""
LABELS = st.sampled_from((SHARED, {"app": "blog"})) | st.sampled_from(APPS).map(lambda app: {"app": app})
OWNERS = st.sampled_from((None, Owner("ReplicaSet", "one", "rs-1"), Owner("ReplicaSet", "two")))
STEPS = st.one_of(
    st.tuples(st.just("pod"), st.sampled_from("abcd"), st.sampled_from(("ns", "other")), LABELS, OWNERS),
    st.tuples(st.just("budget"), st.sampled_from(("ns", "other")), st.sampled_from((*APPS, None))),
    st.tuples(st.just("gone"), st.sampled_from(("ns", "other"))),
)


@given(st.lists(STEPS, max_size=30))
@example(
    [
        ("budget", "ns", None),
        ("budget", "other", None),
        ("pod", "a", "ns", SHARED, None),
        ("pod", "a", "other", SHARED, None),
    ]
)
def test_the_budgets_of_a_pod_are_those_whose_selector_matches(steps: list[tuple[Any, ...]]) -> None:
    index, pods = BudgetIndex(), dict[str, Pod]()
    for kind, name, *rest in steps:
        match kind:
            case "pod":
                namespace, labels, owner = rest
                pod = pods[f"{namespace}-{name}"] = Pod(
                    namespace, name, f"{namespace}-{name}", labels=labels, owner=owner
                )
                index.upsert_pod(pod)
            case "budget":
                selector = Selector() if rest[0] is None else Selector(match_labels={"app": rest[0]})
                index.upsert(PodRef(name, "one"), Budget(name, "one", f"b-{name}", selector=selector))
            case _:
                index.delete(PodRef(name, "one"))
        for pod in pods.values():
            wanted = {ref for ref, budget in index.budgets.items() if budget.matches(pod)}
            assert set(index.refs_of(pod)) == wanted
