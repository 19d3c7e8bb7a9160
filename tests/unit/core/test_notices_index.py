"""Notices by node: kept up to date with Nodes, objects of third parties and pods."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.cluster.notices import Notices
from fleet.core.objects.node import Node, Taint
from fleet.core.objects.pod import Owner, Pod
from fleet.core.rollout.event import ClusterObject
from fleet.core.third_parties.notice import Notice, of_node, of_pod
from fleet.core.third_parties.update_parties import PLAN_CONTROLLER

NODES = st.sampled_from(("a", "b", ""))
TAINTS = st.sampled_from(((), (Taint("ToBeDeletedByClusterAutoscaler", "NoSchedule", "1793000000"),)))
KEY, VALUE = PLAN_CONTROLLER


def a_node(name: str, taints: tuple[Taint, ...], deleting: bool) -> Node:
    return Node(name, f"u-{name}", taints=taints, deleting=deleting)


OBJECTS = st.one_of(
    st.builds(a_node, st.sampled_from("ab"), TAINTS, st.booleans()),
    st.builds(
        Pod,
        st.just("system-upgrade"),
        st.sampled_from("xy"),
        st.sampled_from("xy"),
        node=NODES,
        labels=st.sampled_from(({}, {KEY: VALUE})),
        owner=st.just(Owner("Job", "apply")),
    ),
)
CHANGES = st.lists(st.tuples(st.booleans(), OBJECTS), max_size=30)


def naive(objects: dict[tuple[type, str], ClusterObject], node: str) -> list[Notice]:
    own = [
        notice
        for obj in objects.values()
        if isinstance(obj, Node) and obj.name == node
        for notice in of_node(obj)
    ]
    pods = [obj for obj in objects.values() if isinstance(obj, Pod) and obj.node == node]
    return [*own, *(notice for pod in pods if (notice := of_pod(pod)) is not None)]


@given(CHANGES)
def test_notices_are_those_of_a_naive_search(changes: list[tuple[bool, ClusterObject]]) -> None:
    notices, objects = Notices(), dict[tuple[type, str], ClusterObject]()
    for there, obj in changes:
        key = (type(obj), obj.uid)
        if there:
            notices.upsert(obj)
            objects[key] = obj
        else:
            notices.delete(obj)
            objects.pop(key, None)
        for node in ("a", "b"):
            assert sorted(map(repr, notices.of(node))) == sorted(map(repr, naive(objects, node)))
