"""The lab is a real control plane: what the other cluster tests rely on."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from fleet.lab import Lab, LabError
from fleet.lab.process import start_time
from tests.cluster.observer import NodeLimits, Observer
from tests.cluster.rest import Cluster, Json
from tests.cluster.scenario import AGENT, CART, CHECKOUT, is_ready, scenario

REBOOTING = "lab.fleet.internal/rebooting"


def wait(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s"
        time.sleep(0.05)  # noqa: TID251 - between two looks at the condition


def pods_of(cluster: Cluster, namespace: str, app: str) -> list[Json]:
    found: list[Json] = cluster.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}")["items"]
    return found


def set_ready(cluster: Cluster, node: str, status: str) -> None:
    condition = {"type": "Ready", "status": status, "reason": "Test"}
    cluster.patch(f"/api/v1/nodes/{node}/status", {"status": {"conditions": [condition]}}, "strategic-merge")


def annotate(cluster: Cluster, node: str, value: str | None) -> None:
    cluster.patch(f"/api/v1/nodes/{node}", {"metadata": {"annotations": {REBOOTING: value}}})


def test_nodes_have_names_zones_pools_and_an_operating_system(lab: Lab, cluster: Cluster) -> None:
    assert lab.add_nodes(6, pools={"workers": 2, "storage": 1}) == tuple(f"n-000{i}" for i in range(1, 7))
    assert lab.add_nodes(1, pools={"control": 1}, version="44.20261101.3.0") == ("n-0007",)
    nodes = cluster.get("/api/v1/nodes")["items"]
    labels = [node["metadata"]["labels"] for node in nodes]
    assert [label["fleet.internal/pool"] for label in labels] == ["workers"] * 4 + ["storage"] * 2 + [
        "control"
    ]
    assert [label["topology.kubernetes.io/zone"] for label in labels] == ["a", "b", "c", "a", "a", "b", "a"]
    assert nodes[0]["status"]["nodeInfo"]["osImage"] == "Simulated OS 44.20261015.3.0"
    assert nodes[6]["status"]["nodeInfo"]["osImage"] == "Simulated OS 44.20261101.3.0"
    assert len({node["status"]["nodeInfo"]["bootID"] for node in nodes}) == 7
    counted = lab.status().nodes
    assert counted is not None
    assert (counted.total, counted.ready) == (7, 7)


def test_small_scenario_has_every_obstacle_of_the_eviction_api(lab: Lab, cluster: Cluster) -> None:
    lab.add_nodes(12)
    fleet = scenario(8)
    fleet.create(cluster)
    fleet.wait_ready(cluster)

    spread = [pod["metadata"]["name"] for pod in pods_of(cluster, "web", "web-01")]
    with Observer(lab.kubeconfig, NodeLimits(total=0)).watching() as observer:
        assert cluster.evict("web", spread[0])[0] == 201
        status, refusal = cluster.evict("web", spread[1])
        assert status == 429
        assert refusal["details"]["causes"][0]["reason"] == "DisruptionBudget"
        assert cluster.evict("web", pods_of(cluster, "web", CHECKOUT.name)[0]["metadata"]["name"])[0] == 429
        assert cluster.evict("shop", pods_of(cluster, "shop", CART.name)[0]["metadata"]["name"])[0] == 500
        fleet.wait_ready(cluster)
        assert cluster.evict("web", spread[1])[0] == 201
        fleet.free_checkout(cluster)
        fleet.drop_second_budget(cluster)
        for namespace, app in (("web", CHECKOUT.name), ("shop", CART.name)):
            assert cluster.evict(namespace, pods_of(cluster, namespace, app)[0]["metadata"]["name"])[0] == 201
    assert len(observer.seen.evictions) == 4
    assert observer.seen.min_ready["web/web-01"] == 3
    assert len(pods_of(cluster, "ops", AGENT.name)) == 12


def test_observer_reports_broken_budgets_and_limits_and_undone_cordons(lab: Lab, cluster: Cluster) -> None:
    foreign, *others = lab.add_nodes(6)
    cluster.patch(f"/api/v1/nodes/{foreign}", {"spec": {"unschedulable": True}})
    fleet = scenario(4, obstacles=False)
    fleet.create(cluster)
    fleet.wait_ready(cluster)
    observer = Observer(lab.kubeconfig, NodeLimits(total=1), foreign_cordons=(foreign,)).start()
    for pod in pods_of(cluster, "web", "web-01")[:2]:
        cluster.delete(f"/api/v1/namespaces/web/pods/{pod['metadata']['name']}")
    for node in others[:2]:
        cluster.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    cluster.patch(f"/api/v1/nodes/{others[2]}/status", {"status": {"nodeInfo": {"bootID": "another"}}})
    cluster.patch(f"/api/v1/nodes/{foreign}", {"spec": {"unschedulable": False}})
    observer.stop()
    reported = "\n".join(observer.violations)
    assert "budget web/web-01 requires 3 ready pods and had 2" in reported
    assert "more than 1 nodes of the cluster were out: 2" in reported
    assert f"node {others[2]} was rebooted while it took pods" in reported
    assert f"node {foreign} was cordoned by someone else and did not stay so" in reported
    assert len(observer.seen.deletions) == 2
    with pytest.raises(AssertionError, match="was cordoned by someone else"):
        observer.check()


def test_rebooting_node_stays_away_and_its_pods_wait(lab: Lab, cluster: Cluster) -> None:
    (node,) = lab.add_nodes(1)
    pod = {
        "metadata": {"name": "waiting", "annotations": {"lab.fleet.internal/ready-after-ms": "1"}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "registry.invalid/main:1"}]},
    }
    annotate(cluster, node, "yes")
    set_ready(cluster, node, "False")
    cluster.create("/api/v1/namespaces/default/pods", pod)
    path = "/api/v1/namespaces/default/pods/waiting"

    def reason() -> str:
        conditions = cluster.get(path)["status"].get("conditions", [])
        return next((c.get("reason", "") for c in conditions if c["type"] == "Ready"), "")

    wait(lambda: reason() == "NodeRebooting", "kwok asks for the pod and finds its node away")
    seen = cluster.get(f"/api/v1/nodes/{node}")
    assert next(c["status"] for c in seen["status"]["conditions"] if c["type"] == "Ready") == "False"
    cluster.patch(f"/api/v1/nodes/{node}/status", {"status": {"nodeInfo": {"bootID": "second"}}})
    annotate(cluster, node, None)
    wait(lambda: is_ready(cluster.get(path)), "the pod is Ready when its node is back")
    info = cluster.get(f"/api/v1/nodes/{node}")["status"]["nodeInfo"]
    assert (info["bootID"], info["osImage"]) == ("second", "Simulated OS 44.20261015.3.0")


def test_bound_token_of_a_pod_names_its_node_and_obeys_rbac(lab: Lab, cluster: Cluster) -> None:
    (node,) = lab.add_nodes(1)
    pod = {
        "metadata": {"name": "agent"},
        "spec": {"nodeName": node, "containers": [{"name": "a", "image": "x/a:1"}]},
    }
    uid = cluster.create("/api/v1/namespaces/default/pods", pod)["metadata"]["uid"]
    bound = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "agent", "uid": uid}}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = cluster.create(path, {"spec": bound})["status"]["token"]
    review = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}
    user = cluster.create("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]["user"]
    assert user["username"] == "system:serviceaccount:default:default"
    assert user["extra"]["authentication.kubernetes.io/node-name"] == [node]

    trusting = ssl.create_default_context(cafile=str(lab.certificates.authority))
    pool = urllib3.PoolManager(ssl_context=trusting)
    with_token = {"authorization": f"Bearer {token}"}
    assert pool.request("GET", f"{lab.server}/api/v1/nodes", headers=with_token).status == 403
    assert pool.request("GET", f"{lab.server}/version", headers=with_token).status == 200
    assert pool.request("GET", f"{lab.server}/api/v1/nodes").status == 403


def test_admission_policies_and_custom_resources_work(cluster: Cluster) -> None:
    kinds = {"plural": "machines", "singular": "machine", "kind": "Machine", "listKind": "MachineList"}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "test.fleet.internal", "scope": "Cluster", "names": kinds, "versions": [version]}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.create(crds, {"metadata": {"name": "machines.test.fleet.internal"}, "spec": spec})
    machines = "/apis/test.fleet.internal/v1/machines"
    wait(lambda: cluster.call("GET", machines)[0] == 200, "machines are served")

    admission = "/apis/admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": ["test.fleet.internal"],
        "apiVersions": ["v1"],
        "resources": ["machines"],
        "operations": ["CREATE"],
    }
    validation = {"expression": "object.metadata.name != 'forbidden'", "message": "not this one"}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    cluster.create(
        f"{admission}/validatingadmissionpolicies", {"metadata": {"name": "names"}, "spec": policy}
    )
    binding = {"policyName": "names", "validationActions": ["Deny"]}
    cluster.create(
        f"{admission}/validatingadmissionpolicybindings", {"metadata": {"name": "names"}, "spec": binding}
    )

    machine = {"apiVersion": "test.fleet.internal/v1", "kind": "Machine"}

    def refused() -> bool:
        status, body = cluster.call(
            "POST", f"{machines}?dryRun=All", {**machine, "metadata": {"name": "forbidden"}}
        )
        return status == 422 and "not this one" in body["message"]

    wait(refused, "the policy is in force")
    cluster.create(machines, {**machine, "metadata": {"name": "allowed"}})


def test_two_labs_run_side_by_side_and_leave_nothing(lab: Lab, tmp_path: Path) -> None:
    lab.add_nodes(1)
    other = Lab.up(tmp_path / "other", tied=True, progress=print)
    pids = other.pids()
    try:
        assert set(pids.values()).isdisjoint(lab.pids().values())
        assert Cluster(other.kubeconfig).get("/api/v1/nodes")["items"] == []
        with pytest.raises(LabError, match="a lab runs already"):
            Lab.up(tmp_path / "other", tied=True, progress=print)
        assert Lab.load(tmp_path / "other").status().running
    finally:
        Lab.load(tmp_path / "other").down()
    assert [name for name, pid in pids.items() if start_time(pid) is not None] == []
    assert not (tmp_path / "other").exists()
    assert lab.status().running


def test_api_server_restarts_and_old_watches_get_410(fresh_lab: Lab) -> None:
    fresh_lab.add_nodes(1)
    cluster = Cluster(fresh_lab.kubeconfig)
    old = cluster.get("/api/v1/nodes")["metadata"]["resourceVersion"]
    cluster.patch("/api/v1/nodes/n-0001", {"metadata": {"labels": {"changed": "yes"}}})
    revision = fresh_lab.compact_etcd()
    assert revision > int(old)

    before = fresh_lab.pids()
    fresh_lab.stop_apiserver()
    status = fresh_lab.status()
    assert not status.running
    assert status.nodes is None
    with pytest.raises(urllib3.exceptions.HTTPError):
        cluster.get("/api/v1/nodes")
    fresh_lab.start_apiserver()
    changed = {name for name, pid in fresh_lab.pids().items() if before[name] != pid}
    assert changed == {"kube-apiserver"}

    os.kill(before["kube-scheduler"], signal.SIGKILL)
    wait(lambda: not fresh_lab.status().running, "the lab sees that a program has ended")
    with pytest.raises(LabError, match=r"kube-scheduler has ended:\n.*"):
        fresh_lab.check()

    watch = cluster.open(f"/api/v1/nodes?watch=true&resourceVersion={old}")
    assert b'"code":410' in watch.read(4096)
    assert cluster.get("/api/v1/nodes")["items"][0]["metadata"]["labels"]["changed"] == "yes"


@pytest.mark.usefixtures("may_start_labs")
def test_lab_bound_to_its_starter_ends_with_it_and_can_be_replaced(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, signal; from fleet.lab import Lab\n"
        "lab = Lab.up(pathlib.Path(sys.argv[1]), tied=True, progress=lambda line: None)\n"
        "print(*lab.pids().values(), flush=True); signal.pause()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "lab")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pids = [int(argument) for argument in starter.stdout.readline().split()]
        assert len(pids) == 5
        os.kill(starter.pid, signal.SIGKILL)
    wait(lambda: all(start_time(pid) is None for pid in pids), "every program has ended")
    left = Lab.load(tmp_path / "lab")
    assert not left.status().running
    left.down()
    assert not (tmp_path / "lab").exists()


def test_server_refuses_clients_without_a_lab_certificate(lab: Lab) -> None:
    trusting = ssl.create_default_context(cafile=str(lab.certificates.etcd_authority))
    pool = urllib3.PoolManager(ssl_context=trusting, retries=False)
    body = b'{"key":"' + b64encode(b"\0") + b'"}'
    with pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("POST", f"{lab.etcd_endpoint}/v3/kv/range", body=body)
