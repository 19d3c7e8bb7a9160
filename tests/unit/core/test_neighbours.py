"""Pods that keep their distance: from others of their kind on a host, in a zone, or by a spread that must hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.capacity.topology import TopologyCounts
from fleet.core.objects.node import Node
from fleet.core.objects.placement import HOSTNAME_LABEL, NodeTerm, SpreadRule
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement
from fleet.lab.simulation.builders import a_node

ZONE = "topology.kubernetes.io/zone"
WEB = (Requirement("app", "In", ("web",)),)
HOST_APART = SpreadRule(HOSTNAME_LABEL, WEB, ("shop",))
ZONE_APART = SpreadRule(ZONE, WEB, ("shop",))
SPREAD = SpreadRule(ZONE, WEB, ("shop",), 1)


def a_pod(
    name: str, node: str, rule: SpreadRule | None = None, app: str = "web", namespace: str = "shop"
) -> Pod:
    return Pod(namespace, name, name, node, {"app": app}, apart=(rule,) if rule else ())


def neighbours(zones: str, *pods: Pod) -> tuple[TopologyCounts, list[Node]]:
    """`zones`: of nodes n-0, n-1 and so on, a letter each."""
    found = TopologyCounts()
    nodes = [a_node(f"n-{index}", zone) for index, zone in enumerate(zones)]
    for node in nodes:
        found.upsert_node(node)
    for pod in pods:
        found.count_pod(pod, 1)
    return found, nodes


def allowed(found: TopologyCounts, nodes: list[Node], rule: SpreadRule, *away: str) -> str:
    """A letter for each node: whether one more pod of the kind may come, without the pods of the nodes that are `away`."""
    for name in away:
        found.count_pod(a_pod("gone", name), -1)
    letters = "".join("yn"[not found.allow(a_pod("new", "", rule), node)] for node in nodes)
    for name in away:
        found.count_pod(a_pod("gone", name), 1)
    return letters


def test_anti_affinity_by_hostname() -> None:
    found, nodes = neighbours("aab", a_pod("w-0", "n-0"), a_pod("other", "n-1", app="db"))
    assert allowed(found, nodes, HOST_APART) == "nyy"
    assert allowed(found, nodes, HOST_APART, "n-0") == "yyy"


def test_anti_affinity_by_zone_and_the_place_of_a_leaving_pod() -> None:
    found, nodes = neighbours("aabb", a_pod("w-0", "n-0"), a_pod("elsewhere", "n-2", namespace="else"))
    assert allowed(found, nodes, ZONE_APART) == "nnyy"
    assert allowed(found, nodes, ZONE_APART, "n-0") == "yyyy"
    found.count_pod(a_pod("w-0", "n-0"), -1)
    assert allowed(found, nodes, ZONE_APART) == "yyyy"


def test_spread_allows_no_zone_more_than_its_skew_above_the_emptiest() -> None:
    found, nodes = neighbours("aabbc", a_pod("w-0", "n-0"), a_pod("w-1", "n-2"))
    assert allowed(found, nodes, SPREAD) == "nnnny"
    found.count_pod(a_pod("w-2", "n-4"), 1)
    assert allowed(found, nodes, SPREAD) == "yyyyy"
    assert allowed(found, nodes, SPREAD, "n-2") == "nnyyn"
    wide = replace(SPREAD, skew=2)
    assert allowed(found, nodes, wide, "n-2") == "yyyyy"


def test_spread_covers_the_zones_that_the_pod_can_run_in() -> None:
    found, nodes = neighbours("aab", a_pod("w-0", "n-0"))
    only_a = NodeTerm((Requirement(ZONE, "In", ("a",)),))
    pod = a_pod("new", "", SPREAD)
    assert not found.allow(pod, nodes[1])
    assert found.allow(replace(pod, affinity=(only_a,)), nodes[1])


def test_node_without_the_label_is_in_no_domain() -> None:
    found, nodes = neighbours("a", a_pod("w-0", "n-0"))
    bare = replace(nodes[0], name="bare", labels={})
    found.upsert_node(bare)
    found.count_pod(a_pod("w-1", "bare"), 1)
    assert allowed(found, [bare], ZONE_APART) == "y"
    assert allowed(found, [bare], SPREAD) == "n"
    assert allowed(found, [bare], HOST_APART) == "n"


@pytest.mark.parametrize("rule", [HOST_APART, ZONE_APART, SPREAD])
def test_counts_do_not_depend_on_the_order_of_events(rule: SpreadRule) -> None:
    """Nodes that come, go, and change their zone; rules that are first asked for early or late."""
    early, _ = neighbours("aabb")
    allowed(early, [], rule)
    nodes = [a_node(f"n-{index}", zone) for index, zone in enumerate("abab")]
    assert early.allow(a_pod("x", "", rule), nodes[0])
    pods = [a_pod("w-0", "n-0"), a_pod("w-1", "n-3"), a_pod("w-2", "n-1")]
    early.count_pod(pods[0], 1)
    early.delete_node("n-0")
    for node, pod in zip(nodes[1:3], pods[1:], strict=True):
        early.count_pod(pod, 1)
        early.upsert_node(node)
    early.upsert_node(nodes[3])
    early.upsert_node(nodes[0])
    early.count_pod(pods[2], -1)
    late, _ = neighbours("abab", pods[0], pods[1])
    for away in [(), ("n-0",), ("n-3",), ("n-0", "n-3")]:
        assert allowed(early, nodes, rule, *away) == allowed(late, nodes, rule, *away)


def test_order_of_labels_makes_no_difference() -> None:
    """A pod is counted once, however its labels are ordered when the pod is seen again."""
    pod = replace(a_pod("w-0", "n-0"), labels={"app": "web", "tier": "front"})
    found, nodes = neighbours("aab", pod)
    found.count_pod(replace(pod, labels={"tier": "front", "app": "web"}), -1)
    assert allowed(found, nodes, ZONE_APART) == "yyy"


def test_greater_and_less() -> None:
    more, less = Requirement("cores", "Gt", ("8",)), Requirement("cores", "Lt", ("8",))
    for number, next_one in pairwise(["7", "8", "9"]):
        assert more.matches({"cores": next_one}) == (next_one == "9")
        assert less.matches({"cores": number}) == (number == "7")
    assert not more.matches({"cores": "many"}) and not less.matches({})


SHARED, ONE_RULE = {"app": "web"}, (HOST_APART,)
"""Objects that pods of one template have in common."""
TWO_ORDERS = ({"app": "web", "tier": "front"}, {"tier": "front", "app": "web"})
"""Equal labels in both orders."""
PODS = st.builds(
    Pod,
    namespace=st.sampled_from(("shop", "else")),
    name=st.sampled_from("abcdef"),
    uid=st.sampled_from("abcdef"),
    node=st.sampled_from(("n-0", "n-1", "n-2")),
    labels=st.sampled_from((SHARED, {"app": "web"}, {"app": "db"}, *TWO_ORDERS)),
    apart=st.sampled_from(((), ONE_RULE, (SPREAD,))),
    owner=st.sampled_from((None, Owner("ReplicaSet", "web", "rs"), Owner("ReplicaSet", "db"))),
    deleting=st.booleans(),
)


@given(st.lists(PODS, max_size=20))
def test_counts_after_pods_have_come_and_gone_are_those_of_a_fresh_count(pods: list[Pod]) -> None:
    found, nodes = neighbours("aab")
    present: dict[str, Pod] = {}
    for pod in pods:
        if (before := present.pop(pod.uid, None)) is not None:
            found.count_pod(before, -1)
        present[pod.uid] = pod
        found.count_pod(pod, 1)
        # A pod without an owner has no template in common with others.
        fresh, _ = neighbours("aab", *(replace(pod, owner=None) for pod in present.values()))
        for rule in (HOST_APART, ZONE_APART, SPREAD):
            assert allowed(found, nodes, rule) == allowed(fresh, nodes, rule)
