"""Required affinity and spread, as `kubectl get pods -o json` prints them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleet.core.objects.placement import NodeTerm, SpreadRule
from fleet.core.objects.selector import Requirement
from fleet.kube.kinds.pods.affinity import neighbours, node_terms
from fleet.kube.kinds.pods.pod import pod_of
from fleet.kube.kinds.pods.pod_wire import PodWire


def apart(
    affinity: msgspec.Raw, constraints: msgspec.Raw, namespace: str, labels: dict[str, str]
) -> tuple[SpreadRule, ...]:
    return neighbours(affinity, constraints, namespace, labels).apart


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NOTHING = msgspec.Raw(b"null")
WEB = {"matchLabels": {"app": "web"}}
IS_WEB = (Requirement("app", "In", ("web",)),)


def raw(found: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(found))


def anti(**term: Any) -> dict[str, Any]:
    whole = {"topologyKey": "kubernetes.io/hostname", "labelSelector": WEB, **term}
    return {"podAntiAffinity": {REQUIRED: [whole]}}


def test_node_affinity_terms_with_all_operators() -> None:
    terms = [
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]},
        {
            "matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}],
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n-1"]}],
        },
    ]
    found = node_terms(raw({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}))
    assert found == (
        NodeTerm((Requirement("disk", "In", ("ssd",)),)),
        NodeTerm(
            (Requirement("cores", "Gt", ("8",)),),
            (Requirement("metadata.name", "In", ("n-1",)),),
        ),
    )


@pytest.mark.parametrize(
    "found",
    [
        None,
        {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}},
        {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}},
        {"podAffinity": {REQUIRED: [{"topologyKey": "zone"}]}},
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": None}}},
    ],
)
def test_preferred_or_empty_affinity_requires_nothing(found: Any) -> None:
    assert node_terms(raw(found)) == ()
    assert apart(raw(found), NOTHING, "shop", {}) == ()


def test_anti_affinity_is_about_the_pods_own_namespace_unless_it_names_others() -> None:
    host = "kubernetes.io/hostname"
    assert apart(raw(anti()), NOTHING, "shop", {}) == (SpreadRule(host, IS_WEB, ("shop",)),)
    assert apart(raw(anti(namespaces=["a", "b"])), NOTHING, "shop", {}) == (
        SpreadRule(host, IS_WEB, ("a", "b")),
    )
    assert apart(raw(anti(namespaceSelector={})), NOTHING, "shop", {}) == (SpreadRule(host, IS_WEB, ("*",)),)


def test_spread_counts_where_it_is_required() -> None:
    zone = "topology.kubernetes.io/zone"
    must = {
        "maxSkew": 2,
        "topologyKey": zone,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": WEB,
        "matchLabelKeys": ["pod-template-hash"],
    }
    may = {**must, "whenUnsatisfiable": "ScheduleAnyway"}
    labels = {"app": "web", "pod-template-hash": "5d8"}
    [rule] = apart(NOTHING, raw([must, may]), "shop", labels)
    assert rule == SpreadRule(zone, (*IS_WEB, Requirement("pod-template-hash", "In", ("5d8",))), ("shop",), 2)
    [other] = apart(NOTHING, raw([must]), "shop", {"app": "web", "pod-template-hash": "9f1"})
    assert other != rule


def test_affinity_is_part_of_the_pod() -> None:
    found = {
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"affinity": anti(), "topologySpreadConstraints": []},
    }
    pod = pod_of(msgspec.json.decode(msgspec.json.encode(found), type=PodWire))
    assert [rule.counts("shop", pod.labels) for rule in pod.apart] == [True]
    assert pod.affinity == ()


def test_invalid_affinity_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'Near'"):
        node_terms(
            raw(
                {
                    "nodeAffinity": {
                        REQUIRED: {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Near"}]}]
                        }
                    }
                }
            )
        )
