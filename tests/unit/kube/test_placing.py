"""What a scheduler filters by, as `kubectl get -o json` prints it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleet.core.objects.node import Resources
from fleet.core.objects.placement import AffinityRule, HostPort, SpreadRule
from fleet.core.objects.pod import Pod
from fleet.core.objects.selector import Requirement
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.records.doubt import Doubt, DoubtKind
from fleet.kube.kinds.api_resources import CLAIMS, VOLUMES
from fleet.kube.kinds.pods.pod import pod_of
from fleet.kube.kinds.pods.pod_wire import PodWire
from fleet.kube.kinds.pods.requests import resources
from fleet.kube.objects.wire import Quantities
from fleet.lab.simulation.builders import a_node

GI = 1 << 30
GPU = "nvidia.com/gpu"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ZONE = "topology.kubernetes.io/zone"


def a_pod(spec: dict[str, Any], status: dict[str, Any] | None = None) -> Pod:
    found = {
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web", "hash": "5d8"}},
        "spec": spec,
        "status": status or {},
    }
    return pod_of(msgspec.json.decode(msgspec.json.encode(found), type=PodWire))


def container(requests: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "main", "resources": {"requests": requests or {}, **more.pop("resources", {})}, **more}


def test_resources_of_a_node_by_name_without_zeros() -> None:
    whole: Quantities = {
        "cpu": "4",
        "memory": "8Gi",
        "pods": "110",
        "ephemeral-storage": "95Gi",
        GPU: "4",
        "hugepages-1Gi": "0",
    }
    assert resources(whole) == Resources(4000, 8 * GI, 110, 95 * GI, ((GPU, 4),))


def test_limit_without_a_request_is_a_request() -> None:
    found = a_pod({"containers": [container({"cpu": "1"}, resources={"limits": {GPU: "2", "cpu": "4"}})]})
    assert found.requests == Resources(1000, 0, 1, 0, ((GPU, 2),))


def test_every_resource_counts_init_containers_sidecars_overhead_and_pod_requests() -> None:
    limits = {"limits": {GPU: "1"}}
    spec = {
        "initContainers": [
            container({"ephemeral-storage": "30Gi"}, resources={"limits": {GPU: "3"}}),
            container({"ephemeral-storage": "5Gi"}, restartPolicy="Always", resources=limits),
        ],
        "containers": [container({"ephemeral-storage": "10Gi"}, resources=limits)],
        "overhead": {"ephemeral-storage": "1Gi"},
        "resources": {"requests": {"hugepages-2Mi": "4Mi"}},
    }
    assert a_pod(spec).requests == Resources(0, 0, 1, 31 * GI, (("hugepages-2Mi", 4 << 20), (GPU, 3)))


def test_host_ports_include_those_of_sidecars_and_exclude_those_of_init_containers() -> None:
    def with_port(**port: Any) -> dict[str, Any]:
        return container(ports=[{"containerPort": 80, **port}])

    spec = {
        "initContainers": [
            with_port(hostPort=1),
            with_port(hostPort=2, protocol="UDP") | {"restartPolicy": "Always"},
        ],
        "containers": [with_port(hostPort=3, hostIP="10.0.0.1", protocol="TCP"), with_port()],
    }
    assert a_pod(spec).ports == (HostPort(3, "TCP", "10.0.0.1"), HostPort(2, "UDP"))


def condition(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason}]}


@pytest.mark.parametrize(
    ("spec", "status", "stuck"),
    [
        ({}, {}, ""),
        ({"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}, {}, "gated"),
        ({"schedulingGates": []}, {}, ""),
        ({}, condition("SchedulingGated"), "gated"),
        ({}, condition("Unschedulable"), "unschedulable"),
        ({}, condition("SchedulerError"), ""),
        ({"nodeName": "n-1"}, condition("Unschedulable"), ""),
    ],
)
def test_why_a_pod_is_unscheduled(spec: dict[str, Any], status: dict[str, Any], stuck: str) -> None:
    assert a_pod(spec, status).stuck == stuck


def test_priority_and_preemption() -> None:
    found = a_pod({"priority": -10, "preemptionPolicy": "Never"})
    assert (found.priority, found.preempts, found.placeholder) == (-10, False, True)
    assert (a_pod({}).priority, a_pod({}).preempts) == (0, True)


def test_unknown_constraints_are_a_doubt() -> None:
    spec = {
        "schedulerName": "volcano",
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one"}],
        "schedulingGroup": {"podGroupName": "ring"},
        "volumes": [
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}},
        ],
    }
    found = a_pod(spec, {"extendedResourceClaimStatus": {"resourceClaimName": "made"}})
    assert [(each.about, each.subject) for each in found.doubts] == [
        (DoubtKind.SCHEDULER, "volcano"),
        (DoubtKind.RESOURCE_CLAIM, "gpu"),
        (DoubtKind.RESOURCE_CLAIM, "of an extended resource"),
        (DoubtKind.GANG, "ring"),
        (DoubtKind.VOLUME_MADE, "scratch"),
    ]
    assert found.claims == ("data-web-1",)
    assert a_pod({"schedulerName": "default-scheduler"}).doubts == ()


def affinity(kind: str, **term: Any) -> dict[str, Any]:
    whole = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "web"}}, **term}
    return {"affinity": {kind: {REQUIRED: [whole]}}}


IS_WEB = (Requirement("app", "In", ("web",)),)


def test_required_pod_affinity_with_match_label_keys() -> None:
    assert a_pod(affinity("podAffinity")).near == (AffinityRule(ZONE, IS_WEB, ("shop",)),)
    assert a_pod(affinity("podAffinity", labelSelector=None)).near == (AffinityRule(ZONE, None, ("shop",)),)
    own, other = Requirement("hash", "In", ("5d8",)), Requirement("hash", "NotIn", ("5d8",))
    assert a_pod(affinity("podAffinity", matchLabelKeys=["hash"])).near[0].others == (*IS_WEB, own)
    assert a_pod(affinity("podAffinity", mismatchLabelKeys=["hash"])).near[0].others == (*IS_WEB, other)


def test_namespaces_by_name_are_supported_and_by_other_labels_are_a_doubt() -> None:
    by_name = {"matchLabels": {"kubernetes.io/metadata.name": "data"}}
    found = a_pod(affinity("podAntiAffinity", namespaceSelector=by_name, namespaces=["shop"]))
    assert (found.apart, found.doubts) == ((SpreadRule(ZONE, IS_WEB, ("shop", "data")),), ())
    by_team = a_pod(affinity("podAntiAffinity", namespaceSelector={"matchLabels": {"team": "a"}}))
    assert (by_team.apart, by_team.doubts) == ((), (Doubt(DoubtKind.NAMESPACES, "team In a"),))


def test_policies_of_a_spread() -> None:
    def rule(**more: Any) -> SpreadRule:
        must = {
            "maxSkew": 1,
            "topologyKey": ZONE,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {},
            **more,
        }
        [found] = a_pod({"topologySpreadConstraints": [must]}).apart
        return found

    assert rule() == SpreadRule(ZONE, (), ("shop",), 1, 1, True, False)
    policies = rule(minDomains=3, nodeAffinityPolicy="Ignore", nodeTaintsPolicy="Honor")
    assert (policies.min_domains, policies.by_affinity, policies.by_taints) == (3, False, True)
    assert rule(labelSelector=None).others == ()


def a_volume(spec: dict[str, Any], labels: dict[str, str] | None = None) -> PersistentVolume:
    found = VOLUMES.thing(
        msgspec.json.encode({"metadata": {"name": "pv", "uid": "v", "labels": labels or {}}, "spec": spec})
    )
    assert isinstance(found, PersistentVolume)
    return found


def usable(volume: PersistentVolume, **labels: str) -> bool:
    named = {key.replace("_", "/").replace("zone", ZONE): value for key, value in labels.items()}
    node = a_node("n-1", labels=named)
    return all(any(term.matches(node) for term in terms) for terms in volume.rules)


def test_volume_is_where_its_node_affinity_requires() -> None:
    terms = [{"matchExpressions": [{"key": "host", "operator": "In", "values": ["n-1"]}]}]
    volume = a_volume({"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}})
    assert usable(volume, host="n-1") and not usable(volume, host="n-2")
    assert a_volume({}).rules == ()


@pytest.mark.parametrize("label", [ZONE, "failure-domain.beta.kubernetes.io/zone"])
def test_volume_with_a_zone_label_is_in_these_zones(label: str) -> None:
    volume = a_volume({}, {label: "a__b"})
    assert usable(volume, zone="b") and not usable(volume, zone="c")
    assert usable(volume, host="in a cluster without zones")


def test_claim_names_its_volume() -> None:
    found = CLAIMS.thing(
        b'{"metadata": {"name": "data", "namespace": "shop", "uid": "c"}, "spec": {"volumeName": "pv"}}'
    )
    assert found == PersistentVolumeClaim("shop", "data", "c", "pv")
