"""Fleet is installed, used by agents of different nodes, and taken out again without a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.records.errors import AuthenticationError, HeldError
from fleet.core.third_parties.sign_index import KEEP_OFF
from fleet.kube.install import install
from fleet.kube.install.install import AppliedManifest, Uninstalled
from fleet.kube.install.installation import manifests
from tests.cluster.installed import with_transport
from tests.cluster.rest import Cluster, Json
from tests.cluster.tokens import agent_pod, kubeconfig_with, token

MACHINES = "/apis/fleet.internal/v1/machines"
IMAGE = "agent:1"
CHURN = {"events", "leases", "componentstatuses", "pods", "endpoints", "endpointslices"}
"""What comes and goes in a cluster by itself. Those of fleet's namespace are looked for by name."""


def applied(kubeconfig: Path, image: str | None = IMAGE) -> tuple[AppliedManifest, ...]:
    return with_transport(kubeconfig, lambda transport: install.apply(transport, manifests(image)))


def uninstalled(kubeconfig: Path) -> Uninstalled:
    return with_transport(kubeconfig, install.uninstall)


def everything(cluster: Cluster) -> Counter[str]:
    """Every object of every kind that the API server lists, except what churns; by path."""
    groups = [("/api/v1", cluster.get("/api/v1"))]
    for group in cluster.get("/apis")["groups"]:
        root = f"/apis/{group['preferredVersion']['groupVersion']}"
        groups.append((root, cluster.get(root)))
    found: Counter[str] = Counter()
    for root, served in groups:
        for resource in served["resources"]:
            name = resource["name"]
            if "/" in name or "list" not in resource["verbs"]:
                continue
            for item in cluster.get(f"{root}/{name}").get("items", []):
                space = item["metadata"].get("namespace", "")
                if name not in CHURN or space == "fleet-system":
                    found[f"{root}/{name} {space}/{item['metadata']['name']}"] += 1
    return found


@pytest.fixture
def removed(kubeconfig: Path) -> Iterator[None]:
    """Leaves nothing of fleet behind, whatever the test does."""
    yield
    uninstalled(kubeconfig)


def test_second_install_changes_nothing(kubeconfig: Path, removed: None) -> None:
    first = applied(kubeconfig)
    assert {each.result for each in first} == {"created"}
    assert len(first) == len(manifests(IMAGE))
    assert {each.result for each in applied(kubeconfig)} == {"unchanged"}


def test_install_restores_its_own_objects_and_touches_no_others(
    kubeconfig: Path, cluster: Cluster, removed: None
) -> None:
    applied(kubeconfig, None)
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/fleet-agent"
    cluster.patch(role, {"rules": [], "metadata": {"labels": {"team": "web"}}})
    changed = [each for each in applied(kubeconfig, None) if each.result != "unchanged"]
    assert [(str(each.manifest), each.result) for each in changed] == [
        ("ClusterRole fleet-agent", "configured")
    ]
    found = cluster.get(role)
    assert found["rules"] and found["metadata"]["labels"]["team"] == "web"


def test_uninstall_leaves_nothing(kubeconfig: Path, cluster: Cluster) -> None:
    before = everything(cluster)
    applied(kubeconfig)
    cluster.create(MACHINES, machine("n-1"))
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "fleet-controller"},
    }
    cluster.create("/apis/coordination.k8s.io/v1/namespaces/fleet-system/leases", lease)
    assert everything(cluster) != before
    assert {each.result for each in uninstalled(kubeconfig).objects} == {"deleted"}
    assert everything(cluster) == before
    again = uninstalled(kubeconfig)
    assert {each.result for each in again.objects} == {"absent"} and again.nodes == ()


def test_uninstall_removes_fleets_marks_from_nodes_and_no_others(kubeconfig: Path, cluster: Cluster) -> None:
    before: dict[str, Json] = {}
    for name, marks in {
        "marked": {
            "fleet.internal/rollout": "r-1",
            "fleet.internal/cordoned-by": "r-1",
            KEEP_OFF[1]: "true",
            "fleet.internal/keep-off": f"r-1 {KEEP_OFF[1]}",
            KEEP_OFF[0]: "true",
        },
        "foreign": {"fleet.internal/rollout": "r-1"},
        "plain": {},
    }.items():
        other = {"key": "example.com/special", "effect": "NoSchedule"}
        pending = {"key": "fleet.internal/pending", "effect": "PreferNoSchedule"}
        taints = [other, pending] if marks else [other]
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "annotations": marks, "labels": {"fleet.internal/pool": "workers"}},
            "spec": {"unschedulable": name != "plain", "taints": taints},
        }
        before[name] = cluster.create("/api/v1/nodes", body)
    try:
        applied(kubeconfig, None)
        assert set(uninstalled(kubeconfig).nodes) == {"marked", "foreign"}
        after = {name: cluster.get(f"/api/v1/nodes/{name}") for name in before}
    finally:
        for name in before:
            cluster.delete(f"/api/v1/nodes/{name}")
    for name, node in after.items():
        annotations = node["metadata"].get("annotations", {})
        assert not [key for key in annotations if key.startswith("fleet.internal/")]
        assert set(annotations) & set(KEEP_OFF) == ({KEEP_OFF[0]} if name == "marked" else set())
        keys = [
            taint["key"] for taint in node["spec"]["taints"] if not taint["key"].startswith("node.kubernetes")
        ]
        assert keys == ["example.com/special"]
        assert node["metadata"]["labels"] == before[name]["metadata"]["labels"]
        assert node["spec"].get("unschedulable", False) == (name == "foreign")


def test_objects_of_others_are_neither_adopted_nor_deleted(kubeconfig: Path, cluster: Cluster) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet-system"}}
    cluster.create("/api/v1/namespaces", space)
    with pytest.raises(HeldError, match="Namespace fleet-system"):
        applied(kubeconfig, None)
    assert cluster.find("/apis/rbac.authorization.k8s.io/v1/clusterroles/fleet-agent") is None
    results = {str(each.manifest): each.result for each in uninstalled(kubeconfig).objects}
    assert results["Namespace fleet-system"] == "foreign"
    assert cluster.get("/api/v1/namespaces/fleet-system")["status"]["phase"] == "Active"


def test_agent_may_write_its_own_machine_and_no_other(
    kubeconfig: Path, cluster: Cluster, tmp_path: Path, removed: None
) -> None:
    applied(kubeconfig, None)
    names = [fake_node(cluster, name)["metadata"]["name"] for name in ("fleet-test-a", "fleet-test-b")]
    own, other = names
    try:
        bearer = token(cluster, agent_pod(cluster, own))
        agent = Cluster(kubeconfig_with(kubeconfig, bearer, tmp_path / "agent"))
        unbound = Cluster(kubeconfig_with(kubeconfig, token(cluster, None), tmp_path / "unbound"))
        enforced(cluster, unbound)
        assert agent.call("POST", MACHINES, machine(own))[0] == 201
        assert agent.call("PATCH", f"{MACHINES}/{own}/status", REPORT)[0] == 200
        cluster.create(MACHINES, machine(other))

        status, body = agent.call("PATCH", f"{MACHINES}/{other}/status", REPORT)
        assert status == 403
        assert f"the agent of node {own} may not write machine {other}" in body["message"]
        status, body = unbound.call("PATCH", f"{MACHINES}/{own}/status", REPORT)
        assert status == 403 and "a token that is bound to no pod of a node" in body["message"]
        status, body = agent.call("POST", MACHINES, machine("fleet-test-c"))
        assert status == 403 and "may not write machine fleet-test-c" in body["message"]

        assert agent.call("PATCH", f"{MACHINES}/{own}", {"spec": ASKED})[0] == 403
        assert agent.call("DELETE", f"{MACHINES}/{own}")[0] == 403
        cluster.delete(f"{MACHINES}/{own}")
        assert agent.call("PATCH", f"{MACHINES}/{other}", {"spec": {"log": LOG}})[0] == 403
        for spec in (ASKED, {"log": LOG}):
            status, body = agent.call("POST", MACHINES, {**machine(own), "spec": spec})
            assert status == 403 and "an agent may not ask anything of a machine" in body["message"]
        assert "status" not in cluster.get(f"{MACHINES}/{other}")
    finally:
        for name in names:
            cluster.delete(f"/api/v1/namespaces/fleet-system/pods/agent-{name}", gracePeriodSeconds=0)
            cluster.delete(f"/api/v1/nodes/{name}")


def test_agent_may_not_add_finalizers_or_owners_to_its_machine(
    kubeconfig: Path, cluster: Cluster, tmp_path: Path, removed: None
) -> None:
    """Neither from being deleted, nor an owner from being deleted before it, when the agent of a node is an attacker's."""
    applied(kubeconfig, None)
    own = fake_node(cluster, "fleet-test-a")["metadata"]["name"]
    try:
        agent = Cluster(
            kubeconfig_with(kubeconfig, token(cluster, agent_pod(cluster, own)), tmp_path / "agent")
        )
        enforced(cluster, Cluster(kubeconfig_with(kubeconfig, token(cluster, None), tmp_path / "unbound")))
        for marks in MARKS:
            body = machine(own)
            body["metadata"].update(marks)
            status, answer = agent.call("POST", MACHINES, body)
            assert status == 403 and "an agent makes its machine without finalizers" in answer["message"]
        ours = machine(own)
        ours["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "fleet"}
        assert agent.call("POST", MACHINES, ours)[0] == 201

        for marks in MARKS:
            assert agent.call("PATCH", f"{MACHINES}/{own}", {"metadata": marks})[0] == 403
            agent.call("PATCH", f"{MACHINES}/{own}/status", {"metadata": marks, **REPORT})
        for number in range(40):
            path = f"{MACHINES}/{own}/status?fieldManager=m-{number}&force=true"
            body = {"apiVersion": "fleet.internal/v1", "kind": "Machine", **REPORT}
            status, answer = agent.call("PATCH", path, body, patch="apply")
            if status != 200:
                break
        assert status == 403 and "under few names" in answer["message"]
        assert agent.call("PATCH", f"{MACHINES}/{own}/status", REPORT)[0] == 200
        metadata = cluster.get(f"{MACHINES}/{own}")["metadata"]
        assert len(metadata["managedFields"]) <= 16
        assert not {"annotations", "finalizers", "ownerReferences"} & set(metadata)
        assert metadata["labels"] == ours["metadata"]["labels"]
        cluster.delete(f"{MACHINES}/{own}")
        assert cluster.find(f"{MACHINES}/{own}") is None
    finally:
        cluster.delete(f"/api/v1/namespaces/fleet-system/pods/agent-{own}", gracePeriodSeconds=0)
        cluster.delete(f"/api/v1/nodes/{own}")


def test_agent_reads_machines_and_nothing_else(
    kubeconfig: Path, cluster: Cluster, tmp_path: Path, removed: None
) -> None:
    applied(kubeconfig, None)
    agent = Cluster(kubeconfig_with(kubeconfig, token(cluster, None), tmp_path / "agent"))
    enforced(cluster, agent)
    assert agent.call("GET", MACHINES)[0] == 200
    for path in (
        "/api/v1/nodes",
        "/api/v1/pods",
        "/api/v1/secrets",
        "/api/v1/namespaces/fleet-system/secrets",
        "/api/v1/namespaces/fleet-system/pods",
        "/apis/coordination.k8s.io/v1/namespaces/fleet-system/leases",
    ):
        assert agent.call("GET", path)[0] == 403, path


def test_request_must_be_complete(kubeconfig: Path, cluster: Cluster, removed: None) -> None:
    applied(kubeconfig, None)
    for spec in ({"action": "reboot"}, {**ASKED, "action": "explode"}, {**ASKED, "release": {}}):
        status, body = cluster.call("POST", MACHINES, {**machine("n-1"), "spec": spec})
        assert status == 422, body
    for log in ({"lines": 100}, {**LOG, "lines": 0}, {**LOG, "lines": 10**6}, {**LOG, "unit": "x" * 300}):
        status, body = cluster.call("POST", MACHINES, {**machine("n-1"), "spec": {"log": log}})
        assert status == 422, body
    assert cluster.call("POST", MACHINES, {**machine("n-1"), "spec": {**ASKED, "log": LOG}})[0] == 201


def test_rejected_token_writes_nothing(kubeconfig: Path, cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError):
        applied(kubeconfig_with(kubeconfig, "no-such-token", tmp_path / "wrong"), None)
    assert cluster.find("/api/v1/namespaces/fleet-system") is None


MARKS: tuple[Json, ...] = (
    {"finalizers": ["example.com/stay"]},
    {
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n-1", "uid": "u-1", "blockOwnerDeletion": True}
        ]
    },
    {"annotations": {"example.com/note": "x" * 1000}},
    {"labels": {"example.com/app": "web"}},
)
REPORT: Json = {"status": {"os": "simulated", "bootID": "b1"}}
LOG: Json = {"token": "t", "lines": 100}
ASKED: Json = {"action": "reboot", "token": "t", "release": {"version": "1"}}


def machine(name: str) -> Json:
    return {"apiVersion": "fleet.internal/v1", "kind": "Machine", "metadata": {"name": name}}


def fake_node(cluster: Cluster, name: str) -> Json:
    return cluster.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})


def enforced(cluster: Cluster, unbound: Cluster) -> None:
    """A new policy is in force a moment after it was made: returns when it refuses what it must refuse."""
    for attempt in range(500):
        status, _ = unbound.call("POST", MACHINES, machine(f"fleet-probe-{attempt}"))
        if status == 403:
            return
        cluster.delete(f"{MACHINES}/fleet-probe-{attempt}")
    raise AssertionError("the policy is not in force after 500 attempts")
