"""The pods of a cluster by node and namespace, as pods come, move, change and go."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.cluster.pod_index import PodIndex
from fleet.core.objects.pod import Pod

SHOP = Pod("shop", "cart-1", "u-1", node="n-0", labels={"app": "cart"}, phase="Running", ready=True)
BATCH = Pod("batch", "crunch-1", "u-2", node="n-0", phase="Running", ready=True)


def filled(*pods: Pod) -> PodIndex:
    index = PodIndex()
    for pod in pods:
        index.upsert(index.pods.get(pod.uid), pod)
    return index


def test_a_namespace_has_its_own_pods_alone() -> None:
    index = filled(SHOP, BATCH)
    assert list(index.in_namespace("shop")) == [SHOP]
    assert list(index.in_namespace("batch")) == [BATCH]
    assert list(index.in_namespace("ops")) == []


def test_a_pod_that_has_changed_is_there_once_and_as_it_is_now() -> None:
    moved = replace(SHOP, node="n-1")
    index = filled(SHOP, moved)
    assert list(index.in_namespace("shop")) == [moved]
    assert (list(index.on_node("n-0")), list(index.on_node("n-1"))) == ([], [moved])


def test_a_pod_that_is_gone_is_nowhere() -> None:
    index = filled(replace(SHOP, ready=False), BATCH)
    assert index.delete(SHOP.uid) == replace(SHOP, ready=False)
    assert index.delete(SHOP.uid) is None
    assert dict(index.pods) == {BATCH.uid: BATCH}
    assert (list(index.in_namespace("shop")), list(index.on_node("n-0"))) == ([], [BATCH])
    assert list(index.unready("shop")) == []


def test_unready_pods_of_a_namespace_are_those_that_should_be_ready() -> None:
    unready = replace(SHOP, ready=False)
    leaving = replace(SHOP, name="cart-2", uid="u-3", ready=False, deleting=True)
    assert list(filled(unready, leaving, BATCH).unready("shop")) == [unready]
    assert list(filled(unready, SHOP).unready("shop")) == []
