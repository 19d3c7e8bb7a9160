from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.objects.budget import Budget
from fleet.core.objects.daemonset import DaemonTemplate
from fleet.core.objects.machine import Ask, Machine, Request, Work
from fleet.core.objects.node import Node, Resources, Toleration
from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.objects.workload import Workload
from fleet.core.records.errors import FleetError
from fleet.core.releases.release import Release
from fleet.core.third_parties.parties import PARTIES
from fleet.core.third_parties.sign_index import KEEP_OFF
from fleet.kube.kinds.api_resources import BUDGETS, KINDS, MACHINES, NODES, PODS
from fleet.kube.objects.api_resource import ApiResource

Json = dict[str, Any]
GI = 1 << 30
DISRUPTED: Json = {"onPodConditions": [{"type": "DisruptionTarget"}]}


def decoded(kind: ApiResource[Any], body: Json) -> Any:
    page = kind.page(json.dumps({"metadata": {}, "items": [body]}).encode())
    (thing,) = page.things
    return thing


def a_pod(spec: Json | None = None, meta: Json | None = None, status: Json | None = None) -> Pod:
    body = {"metadata": {"name": "p", "namespace": "web"} | (meta or {}), "spec": spec or {}}
    found = decoded(PODS, body | {"status": status or {}})
    assert isinstance(found, Pod)
    return found


def test_node_with_all_fields_that_fleet_reads() -> None:
    found = decoded(
        NODES,
        {
            "metadata": {
                "name": "n-1",
                "uid": "u",
                "resourceVersion": "7",
                "labels": {"topology.kubernetes.io/zone": "a"},
                "annotations": {
                    "fleet.internal/cordoned-by": "r-1",
                    "karpenter.sh/do-not-disrupt": "true",
                    "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true",
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                },
            },
            "spec": {
                "unschedulable": True,
                "providerID": "aws:///a/i-1",
                "taints": [{"key": "k", "effect": "NoSchedule"}],
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"cpu": "7900m", "memory": "31Gi", "pods": "110"},
                "nodeInfo": {
                    "bootID": "b",
                    "machineID": "m",
                    "systemUUID": "S",
                    "osImage": "Fedora CoreOS 44",
                    "kernelVersion": "6.11",
                    "kubeletVersion": "v1.36.3",
                },
            },
        },
    )
    assert isinstance(found, Node)
    assert (found.boot_id, found.machine_id, found.kernel, found.kubelet) == ("b", "m", "6.11", "v1.36.3")
    assert (found.system_uuid, found.provider_id) == ("S", "aws:///a/i-1")
    assert found.zone == "a"
    assert found.cordoned_by == "r-1"
    assert set(found.annotations) == {
        "fleet.internal/cordoned-by",
        "karpenter.sh/do-not-disrupt",
        "cluster-autoscaler.kubernetes.io/scale-down-disabled",
    }
    assert found.allocatable == Resources(7900, 31 * GI, 110)
    assert found.taints[0].effect == "NoSchedule"


@pytest.mark.parametrize(
    "name", ["", "..", "../n-1", "/etc/n-1", "-oProxyCommand=x", "n-1;id", "{{ n }}", "n-1\n", "n" * 254]
)
def test_node_name_that_would_be_a_path_or_an_option_is_refused(name: str) -> None:
    """Its name is looked up as a host's, and names folders."""
    body = json.dumps({"metadata": {"name": name}}).encode()
    with pytest.raises(FleetError, match="DNS subdomain"):
        NODES.thing(body)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.k8s.io/kube-apiserver:v1.36.3", "v1.36.3"),
        ("registry:5000/kube-apiserver:v1.36.3@sha256:" + "a" * 64, "v1.36.3"),
        ("kube-apiserver@sha256:" + "a" * 64, ""),
        ("registry:5000/kube-apiserver", ""),
    ],
)
def test_pod_of_an_api_server_has_its_version(image: str, version: str) -> None:
    def found(namespace: str, component: str) -> str:
        meta = {"name": "a", "namespace": namespace, "labels": {"component": component}}
        return a_pod({"containers": [{"image": image}]}, meta).api_server

    assert found("kube-system", "kube-apiserver") == version
    assert found("web", "kube-apiserver") == found("kube-system", "etcd") == ""


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "Ready", "status": "Unknown"}], None),
        ([{"type": "DiskPressure", "status": "True"}], None),
        (None, None),
    ],
)
def test_node_without_a_ready_condition_is_not_ready(conditions: object, ready: bool | None) -> None:
    assert decoded(NODES, {"metadata": {"name": "n"}, "status": {"conditions": conditions}}).ready is ready


def test_pod_of_a_controller() -> None:
    owners = [
        {"kind": "Foo", "name": "not-it", "uid": "1"},
        {"kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": True},
    ]
    found = a_pod(
        {"nodeName": "n-1", "terminationGracePeriodSeconds": 5, "nodeSelector": {"a": "b"}},
        {"ownerReferences": owners, "labels": {"app": "web"}, "finalizers": ["x"]},
        {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    )
    assert found.owner == Owner("ReplicaSet", "web-1", "2")
    assert (found.node, found.phase, found.ready, found.finalizers) == ("n-1", "Running", True, True)
    assert found.grace_seconds == 5
    assert not found.deleting


def test_terminating_pod_has_its_deletion_grace_period() -> None:
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    found = a_pod({"terminationGracePeriodSeconds": 30}, meta)
    assert found.deleting
    assert found.grace_seconds == 0


@pytest.mark.parametrize(
    ("created", "ready", "since"),
    [
        ("2026-11-01T09:00:00Z", {"status": "False", "lastTransitionTime": "2026-11-02T10:30:00Z"}, 2),
        ("2026-11-01T09:00:00Z", None, 1),
        ("2026-11-01T09:00:00Z", {"status": "False", "lastTransitionTime": "yesterday"}, 1),
        ("2026-11-01T09:00:00Z", {"status": "True", "lastTransitionTime": "2026-11-02T10:30:00Z"}, None),
        (None, {"status": "False"}, None),
        ("soon", None, None),
    ],
)
def test_unready_pod_has_the_time_since_when(
    created: str | None, ready: Json | None, since: int | None
) -> None:
    conditions = [] if ready is None else [{"type": "Ready"} | ready]
    found = a_pod(meta={"creationTimestamp": created}, status={"conditions": conditions})
    assert (found.unready_since.day if found.unready_since else None) == since
    assert found.unready_since is None or found.unready_since.tzinfo is not None


def test_mirror_pod_stays() -> None:
    assert a_pod(meta={"annotations": {"kubernetes.io/config.mirror": "x", "other": "y"}}).stays
    assert not a_pod(meta={"annotations": {"other": "y"}}).stays


@pytest.mark.parametrize(
    ("volume", "local", "host"),
    [
        ({"emptyDir": {}}, True, False),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, True, False),
        ({"emptyDir": {"medium": "Memory"}}, False, False),
        ({"hostPath": {"path": "/var/log"}}, False, True),
        ({"configMap": {"name": "x"}}, False, False),
    ],
)
def test_local_data_and_host_paths(volume: Json, local: bool, host: bool) -> None:
    found = a_pod({"volumes": [{"name": "v"} | volume]})
    assert (found.local_data, found.host_path) == (local, host)


def container(cpu: str, memory: str, **fields: object) -> Json:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}} | fields


def test_requests_of_all_containers_are_added() -> None:
    found = a_pod({"containers": [container("100m", "1Gi"), container("0.4", "1Gi"), {"name": "none"}]})
    assert found.requests == Resources(500, 2 * GI, 1)


def test_init_container_may_need_more_than_the_rest() -> None:
    found = a_pod({"containers": [container("1", "1Gi")], "initContainers": [container("100m", "4Gi")]})
    assert found.requests == Resources(1000, 4 * GI, 1)


def test_sidecar_is_added_to_later_containers() -> None:
    sidecar = container("200m", "1Gi", restartPolicy="Always")
    found = a_pod({"containers": [container("1", "1Gi")], "initContainers": [sidecar, container("2", "1Gi")]})
    assert found.requests == Resources(2200, 2 * GI, 1)


def test_requests_of_the_pod_as_a_whole_and_overhead() -> None:
    found = a_pod(
        {
            "containers": [container("1", "1Gi")],
            "resources": {"requests": {"cpu": "3"}},
            "overhead": {"cpu": "250m", "memory": "1Gi"},
        }
    )
    assert found.requests == Resources(3250, 2 * GI, 1)


def test_empty_pod_is_still_a_pod() -> None:
    found = a_pod()
    assert (found.phase, found.ready, found.owner, found.requests) == (
        "Unknown",
        False,
        None,
        Resources(pods=1),
    )


def test_pods_of_one_workload_share_equal_parts() -> None:
    one, two = (a_pod(meta={"name": name, "labels": {"app": "web", "x": "y"}}) for name in "ab")
    assert one.labels is two.labels
    assert one.namespace is two.namespace


def test_annotations_of_a_node_are_kept_for_known_parties() -> None:
    signs = [sign for party in PARTIES for sign in party.signs if sign.place == "annotation"]
    known = {key: "x" for sign in signs for key in (sign.key, sign.unlike) if key} | dict.fromkeys(
        KEEP_OFF, "x"
    )
    found = decoded(NODES, {"metadata": {"name": "n", "annotations": known | {"note": "mine"}}})
    assert found.annotations == known


def test_only_known_annotations_of_a_pod_are_kept() -> None:
    annotations = {
        "example.com/busy": "true",
        "cluster.x-k8s.io/x": "wait-completed",
        "checksum/config": "3f2a9c",
        "prometheus.io/port": "8080",
        "note": "two words",
        "long": "a" * 21,
        "kubernetes.io/config.mirror": "abc123",
    }
    found = a_pod(meta={"annotations": annotations})
    assert found.annotations == {"example.com/busy": "true", "cluster.x-k8s.io/x": "wait-completed"}
    assert found.mirror


@pytest.mark.parametrize(
    ("spec", "fails"),
    [
        ({"backoffLimit": 0}, True),
        ({"backoffLimit": 6}, False),
        ({}, False),
        ({"backoffLimit": 6, "backoffLimitPerIndex": 0}, True),
        ({"backoffLimit": 0, "podFailurePolicy": {"rules": [DISRUPTED | {"action": "Ignore"}]}}, False),
        ({"backoffLimit": 6, "podFailurePolicy": {"rules": [DISRUPTED | {"action": "FailJob"}]}}, True),
        ({"backoffLimit": 0, "podFailurePolicy": {"rules": [DISRUPTED | {"action": "Count"}]}}, True),
        ({"backoffLimit": 0, "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {}}]}}, True),
    ],
)
def test_job_that_fails_with_its_first_lost_pod(spec: Json, fails: bool) -> None:
    (kind,) = (kind for kind in KINDS if kind.kind == "Job")
    job = decoded(kind, {"metadata": {"name": "j", "namespace": "web"}, "spec": spec})
    assert job.fails_by_eviction is fails


@pytest.mark.parametrize(
    ("spec", "failed", "fails"),
    [
        ({"backoffLimit": 3}, 2, False),
        ({"backoffLimit": 3}, 3, True),
        ({"backoffLimit": 1, "backoffLimitPerIndex": 5}, 1, True),
        ({"backoffLimit": 0, "backoffLimitPerIndex": 5}, 0, True),
        ({"backoffLimitPerIndex": 5}, 9, False),
        ({"backoffLimit": 3, "podFailurePolicy": {"rules": [DISRUPTED | {"action": "Ignore"}]}}, 3, False),
    ],
)
def test_job_without_retries_left_fails_with_the_next_pod(spec: Json, failed: int, fails: bool) -> None:
    (kind,) = (kind for kind in KINDS if kind.kind == "Job")
    body = {"metadata": {"name": "j", "namespace": "web"}, "spec": spec, "status": {"failed": failed}}
    assert decoded(kind, body).fails_by_eviction is fails


def a_budget(spec: Json, status: Json | None = None) -> Budget:
    body = {"metadata": {"name": "b", "namespace": "web", "generation": 2}, "spec": spec}
    found = decoded(BUDGETS, body | {"status": status or {}})
    assert isinstance(found, Budget)
    return found


def test_budget_and_its_status() -> None:
    found = a_budget(
        {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}},
        {
            "observedGeneration": 1,
            "disruptionsAllowed": 1,
            "currentHealthy": 3,
            "desiredHealthy": 2,
            "expectedPods": 4,
            "disruptedPods": {"p-1": "2026-01-01T00:00:00Z"},
        },
    )
    assert found.rule == "minAvailable 50%"
    assert not found.observed
    assert found.disrupted == {"p-1"}
    assert (found.disruptions_allowed, found.current_healthy, found.expected_pods) == (1, 3, 4)


def test_missing_selector_is_not_an_empty_one() -> None:
    assert a_budget({}).selector is None
    assert a_budget({"selector": {}}).selector == Selector()


def test_selector_terms() -> None:
    terms = [{"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "x", "operator": "Exists"}]
    selector = a_budget({"selector": {"matchExpressions": terms}}).selector
    assert selector is not None
    assert selector.matches({"tier": "a", "x": ""})
    assert not selector.matches({"tier": "c", "x": ""})


def test_budget_that_cannot_be_computed_has_the_reason() -> None:
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}
    assert a_budget({}, {"conditions": [failed]}).failure == "no scale"
    long = failed | {"message": "no\nscale \x1b[31m" + "x" * 5000}
    results = a_budget({}, {"conditions": [long]}).failure
    assert results.startswith("no scale ?[31mx") and len(results) <= 200
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "m"}
    assert a_budget({}, {"conditions": [failed]}).failure == ""


def test_each_kind_of_workload_counts_its_pods() -> None:
    kinds = {kind.kind: kind for kind in KINDS}
    meta = {"metadata": {"name": "w", "namespace": "web"}}
    found = {
        "Deployment": decoded(
            kinds["Deployment"], meta | {"spec": {"replicas": 3}, "status": {"readyReplicas": 2}}
        ),
        "StatefulSet": decoded(kinds["StatefulSet"], meta | {"spec": {"minReadySeconds": 10}}),
        "DaemonSet": decoded(
            kinds["DaemonSet"], meta | {"status": {"desiredNumberScheduled": 5, "numberReady": 4}}
        ),
        "Job": decoded(kinds["Job"], meta | {"spec": {"parallelism": 2}, "status": {"ready": 1}}),
    }
    assert {kind: (each.kind, each.replicas, each.ready) for kind, each in found.items()} == {
        "Deployment": ("Deployment", 3, 2),
        "StatefulSet": ("StatefulSet", 1, 0),
        "DaemonSet": ("DaemonSet", 5, 4),
        "Job": ("Job", 2, 1),
    }
    assert isinstance(found["Job"], Workload)
    assert found["StatefulSet"].min_ready_seconds == 10


def test_workload_may_declare_a_quorum_group_and_its_pods_do_not() -> None:
    meta = {"name": "w", "namespace": "web", "annotations": {"fleet.internal/quorum": "consul", "a": "b"}}
    spec = {"selector": {"matchLabels": {"app": "w"}}}
    bare = {"metadata": {**meta, "annotations": None}, "spec": spec}
    for kind in KINDS:
        if kind.kind not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
            continue
        found = decoded(kind, {"metadata": meta, "spec": spec})
        declares = kind.kind in ("Deployment", "StatefulSet", "DaemonSet")
        expected = ("consul", Selector({"app": "w"})) if declares else (None, None)
        assert isinstance(found, Workload) and (found.quorum, found.selector) == expected, kind.kind
        plain = decoded(kind, bare)
        assert isinstance(plain, Workload) and (plain.quorum, plain.selector) == (None, None)


def test_daemonset_has_its_node_selection_and_other_workloads_do_not() -> None:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]}
    pods = {
        "nodeSelector": {"kernel": "6.1"},
        "hostNetwork": True,
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "containers": [{"image": "driver:1"}],
    }
    results = {"metadata": {"name": "w", "namespace": "web"}, "spec": {"template": {"spec": pods}}}
    for kind in KINDS:
        if kind.kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
            found = decoded(kind, results)
            assert isinstance(found, Workload)
            expected = DaemonTemplate(
                node_selector={"kernel": "6.1"},
                affinity=(NodeTerm((Requirement("gpu", "Exists"),)),),
                tolerations=(Toleration(operator="Exists"),),
                host_network=True,
            )
            assert found.daemon == (expected if kind.kind == "DaemonSet" else None), kind.kind


def test_machine_with_a_request_and_an_answer() -> None:
    found = decoded(
        MACHINES,
        {
            "metadata": {"name": "n-1", "uid": "u"},
            "spec": {"action": "stage", "token": "t", "release": {"version": "2", "digest": "sha256:2"}},
            "status": {
                "os": "simulated",
                "bootID": "b",
                "kernel": "6.1",
                "booted": {"version": "1"},
                "work": {"token": "t", "state": "working", "percent": 40, "bootID": "b", "earlier": ["s"]},
            },
        },
    )
    assert found == Machine(
        "n-1",
        "u",
        Request(Ask.STAGE, "t", Release("2", "sha256:2")),
        Work("t", "working", "", 40, "b", ("s",)),
        "simulated",
        Release("1"),
        boot_id="b",
        kernel="6.1",
        reported=True,
    )


@pytest.mark.parametrize("spec", [None, {}, {"action": "explode", "token": "t", "release": {"version": "2"}}])
def test_machine_with_an_unknown_request(spec: object) -> None:
    found = decoded(MACHINES, {"metadata": {"name": "n-1"}, "spec": spec})
    assert found.request is None
    assert not found.reported


def test_unreadable_machine_is_left_out() -> None:
    items = [{"metadata": {"name": "n-1"}, "status": 7}, {"metadata": {"name": "n-2"}}]
    page = MACHINES.page(json.dumps({"metadata": {}, "items": items}).encode())
    assert [thing.name for thing in page.things] == ["n-2"]


def test_unreadable_pod_is_named() -> None:
    items = [{"metadata": {"name": "p", "namespace": "web", "labels": 7}}]
    with pytest.raises(FleetError, match="Pod web/p cannot be read"):
        PODS.page(json.dumps({"metadata": {}, "items": items}).encode())


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("metadata", {"labels": {"app": 1}}),
        ("metadata", {"ownerReferences": [{"controller": "yes"}]}),
        ("spec", {"tolerations": [{"key": 1}]}),
        ("spec", {"nodeSelector": ["disk"]}),
        ("spec", {"resources": {"requests": "all"}}),
        ("spec", {"overhead": {"cpu": "much"}}),
        ("spec", {"containers": [{"resources": {"requests": {"cpu": "much"}}}]}),
        ("spec", {"containers": [{"ports": [{"hostPort": "http"}]}]}),
        ("spec", {"initContainers": [{"resources": {"limits": {"memory": []}}}]}),
    ],
)
def test_pod_with_a_wrong_shared_part_is_named_each_time(part: str, wrong: Json) -> None:
    good: Json = {"metadata": {"name": "good", "namespace": "web"}}
    bad: Json = {"metadata": {"name": "db-0", "namespace": "web"}, "spec": {}}
    bad[part] |= wrong
    body = json.dumps({"items": [good, bad]}).encode()
    for _ in range(2):
        with pytest.raises(FleetError, match="Pod web/db-0 cannot be read"):
            PODS.page(body)


def test_empty_list_may_be_null() -> None:
    page = NODES.page(b'{"metadata": {"resourceVersion": "3", "continue": "c"}, "items": null}')
    assert (page.things, page.version, page.rest) == ((), "3", "c")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "items", "spec", "status", "name", "type", "object", "containers"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_invalid_input_is_a_fleet_error_or_ignored(found: object) -> None:
    body = json.dumps(found).encode()
    for kind in (NODES, PODS, BUDGETS, MACHINES):
        for read in (kind.page, kind.change):
            try:
                read(body)
            except FleetError as error:
                assert error.message


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-20T00:00:00Z", datetime(2026, 11, 20, tzinfo=UTC)),
        # What no API server writes is no moment; the pod is being deleted all the same.
        ("2026-11-20T00:00:00", None),
        ("soon", None),
    ],
)
def test_terminating_pod_has_its_deadline_and_finalizers(written: str, moment: datetime | None) -> None:
    found = a_pod(meta={"deletionTimestamp": written, "finalizers": ["example.com/hold", "other.example/x"]})
    assert found.deleting and found.finalizers and found.gone_by == moment
    assert found.finalizer_names == ("example.com/hold", "other.example/x")
    plain = a_pod()
    assert (plain.deleting, plain.gone_by, plain.finalizers, plain.finalizer_names) == (
        False,
        None,
        False,
        (),
    )
