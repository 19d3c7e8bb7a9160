"""Unready pods by budget: kept up to date with pods, labels and selectors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.cluster.budget_index import BudgetIndex
from fleet.core.cluster.pod_index import PodIndex
from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef
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
                pods.upsert(pod)
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
