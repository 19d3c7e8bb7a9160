"""The chart's network policies let through what fleet's pods need and nothing else, by the rules of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import NamedTuple

import pytest
import yaml

from tests.chart.network import End, Outside, PodEnd, allowed
from tests.chart.render import Json, objects
from tools.chart import MANIFESTS

PUBLIC = Outside("203.0.113.7")
DNS = PodEnd("kube-system", {"k8s-app": "kube-dns"})
STRANGER = PodEnd("shop", {"app": "shop"})
PROMETHEUS = PodEnd("monitoring", {"app.kubernetes.io/name": "prometheus"})
METRICS = 9464
FROM_PROMETHEUS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podSelector": {"matchLabels": PROMETHEUS.labels},
}


class Installation(NamedTuple):
    """The network policies of an installation, and its pods."""

    policies: Sequence[Json]
    controller: PodEnd
    agent: PodEnd

    def reaches(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        return allowed(self.policies, source, target, port, protocol)


def read(rendered: Iterable[Json]) -> Installation:
    kinds: dict[str, list[Json]] = {}
    for each in rendered:
        kinds.setdefault(each["kind"], []).append(each)
    (controller,), (agent,) = kinds["Deployment"], kinds["DaemonSet"]
    return Installation(kinds["NetworkPolicy"], _pod(controller), _pod(agent))


def _pod(workload: Json) -> PodEnd:
    template = workload["spec"]["template"]
    assert not template["spec"].get("hostNetwork"), "no policy limits a pod with the network of its host"
    ports = {
        port["name"]: port["containerPort"]
        for container in template["spec"]["containers"]
        for port in container.get("ports") or ()
    }
    return PodEnd(workload["metadata"]["namespace"], template["metadata"]["labels"], ports)


def installation(values: Json) -> Installation:
    return read(objects(values).values())


@pytest.fixture(scope="module")
def default() -> Installation:
    return installation({})


def test_controller_reaches_names_api_servers_and_feeds_alone(default: Installation) -> None:
    for protocol in ("UDP", "TCP"):
        assert default.reaches(default.controller, DNS, 53, protocol)
    assert {port for port in range(1, 12000) if default.reaches(default.controller, PUBLIC, port)} == {
        443,
        6443,
    }
    assert not default.reaches(default.controller, PUBLIC, 53, "UDP") and not default.reaches(
        default.controller, PUBLIC, 443, "UDP"
    )
    assert not default.reaches(default.controller, STRANGER, 53, "UDP")
    assert not default.reaches(default.controller, default.agent, 443)


def test_agent_reaches_names_and_api_servers_alone(default: Installation) -> None:
    assert default.reaches(default.agent, DNS, 53, "UDP")
    assert {port for port in range(1, 12000) if default.reaches(default.agent, PUBLIC, port)} == {443, 6443}
    narrow = installation({"networkPolicy": {"apiServer": {"cidrs": ["192.0.2.1/32"], "ports": [6443]}}})
    assert narrow.reaches(narrow.agent, Outside("192.0.2.1"), 6443)
    assert not narrow.reaches(narrow.agent, Outside("192.0.2.2"), 6443)
    assert not narrow.reaches(narrow.agent, Outside("192.0.2.1"), 443)
    # Feeds are read by the controller, from wherever they are.
    assert narrow.reaches(narrow.controller, PUBLIC, 443) and not narrow.reaches(narrow.agent, PUBLIC, 443)


@pytest.mark.parametrize("source", [STRANGER, PROMETHEUS, DNS, PUBLIC], ids=str)
def test_no_pod_and_no_address_reaches_fleets_pods(default: Installation, source: End) -> None:
    neighbour = PodEnd(default.controller.namespace, {"app": "neighbour"})
    for target in (default.controller, default.agent):
        for each in (source, neighbour, default.controller, default.agent):
            assert not any(default.reaches(each, target, port) for port in (22, 443, 8080, METRICS))


def test_named_peers_alone_read_the_metrics_and_reach_no_other_port() -> None:
    made = installation({"networkPolicy": {"metricsFrom": [FROM_PROMETHEUS]}})
    assert {port for port in range(1, 12000) if made.reaches(PROMETHEUS, made.controller, port)} == {METRICS}
    for other in (
        PodEnd("monitoring", {"app.kubernetes.io/name": "grafana"}),
        PodEnd("shop", PROMETHEUS.labels),
        PUBLIC,
    ):
        assert not made.reaches(other, made.controller, METRICS)
    assert not made.reaches(PROMETHEUS, made.agent, METRICS)


@pytest.mark.parametrize(
    ("part", "port", "needs"),
    [
        ("database", 5432, {"database": {"secret": "fleet-database"}}),
        ("ssh", 22, {"sshSecret": "fleet-ssh"}),
    ],
)
def test_databases_and_machines_are_reached_only_where_they_are_used(
    part: str, port: int, needs: Json
) -> None:
    inside, beside = Outside("192.0.2.9"), Outside("198.51.100.9")
    narrow = {part: {"cidrs": ["192.0.2.0/24"]}}
    without = installation({"networkPolicy": narrow})
    assert not without.reaches(without.controller, inside, port)
    made = installation({"networkPolicy": narrow, "controller": needs})
    assert made.reaches(made.controller, inside, port) and not made.reaches(made.controller, beside, port)
    assert not made.reaches(made.agent, inside, port)


def test_plain_manifests_allow_what_the_chart_allows(default: Installation) -> None:
    plain = read(each for each in yaml.safe_load_all(MANIFESTS.read_text()) if each)
    ends = (default.controller, default.agent, DNS, STRANGER, PUBLIC)
    assert (plain.controller, plain.agent) == ends[:2]
    for source in ends:
        for target in ends:
            for port in (22, 53, 443, 5432, 6443, METRICS):
                assert plain.reaches(source, target, port) == default.reaches(source, target, port)


def test_policy_whose_labels_are_not_those_of_the_pods_is_noticed(default: Installation) -> None:
    """What the tests above rest on: a selector that selects nobody leaves the pods with the denial of all."""
    others = deepcopy(default.policies)
    (policy,) = (each for each in others if each["metadata"]["name"] == "fleet-controller")
    policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "another"
    assert not default._replace(policies=others).reaches(default.controller, PUBLIC, 443)


def policy(spec: Json, namespace: str = "shop") -> Json:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def test_pod_that_no_policy_selects_does_everything() -> None:
    assert allowed([], STRANGER, PUBLIC, 25)
    assert allowed([policy({"policyTypes": ["Egress"]}, "other")], STRANGER, PUBLIC, 25)
    # A policy without types is of what comes in, and of what goes out only if it has rules for that.
    assert allowed([policy({})], STRANGER, PUBLIC, 25) and not allowed([policy({})], PUBLIC, STRANGER, 25)
    assert not allowed([policy({"egress": []})], STRANGER, PUBLIC, 25)


def test_rules_add_up_and_an_empty_one_is_for_all() -> None:
    denied = policy({"policyTypes": ["Ingress", "Egress"]})
    assert not allowed([denied], STRANGER, PUBLIC, 25)
    assert allowed([denied, policy({"egress": [{}]})], STRANGER, PUBLIC, 25)
    ranged = policy({"egress": [{"ports": [{"port": 20, "endPort": 30}]}]})
    assert [allowed([ranged], STRANGER, PUBLIC, port) for port in (19, 20, 30, 31)] == [
        False,
        True,
        True,
        False,
    ]


def test_selectors_in_one_peer_both_hold_and_address_blocks_are_of_addresses_alone() -> None:
    namespace, pods = (
        {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        {"matchLabels": DNS.labels},
    )
    both = policy(
        {
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"namespaceSelector": namespace, "podSelector": pods}]}],
        }
    )
    either = policy(
        {
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"namespaceSelector": namespace}, {"podSelector": pods}]}],
        }
    )
    other = PodEnd("kube-system", {"app": "other"})
    same_labels = PodEnd("shop", DNS.labels)
    assert [allowed([both], STRANGER, each, 53) for each in (DNS, other, same_labels)] == [True, False, False]
    assert [allowed([either], STRANGER, each, 53) for each in (DNS, other, same_labels)] == [True, True, True]
    block = policy(
        {"egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/32"]}}]}]}
    )
    reached = [allowed([block], STRANGER, each, 53) for each in (PUBLIC, Outside("203.0.113.8"), DNS)]
    assert reached == [True, False, False]
