"""The Helm chart on a real API server: accepted as it is, and installed, upgraded and uninstalled by helm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fleet.core.records.errors import HeldError
from fleet.kube.install import install
from fleet.kube.install.installation import Manifest, manifests
from tests.chart import render as chart
from tests.chart.render import objects, render
from tests.cluster.installed import with_transport
from tests.cluster.rest import Cluster, Json
from tools.chart import CHART, MANIFESTS

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/machines.fleet.internal"
EVERYTHING: Json = {
    "controller": {
        "replicas": 3,
        "database": {"secret": "fleet-database"},
        "sshSecret": "fleet-ssh",
        "clustersSecret": "fleet-clusters",
        "policyConfigMap": "fleet-policy",
        "worksOnMachines": True,
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
    },
    "agent": {"privileges": "capabilities", "os": "ostree", "source": "https://releases.example"},
    "apiServer": {"host": "192.0.2.1"},
    "networkPolicy": {
        "apiServer": {"cidrs": ["192.0.2.0/24", "2001:db8::/32"]},
        "metricsFrom": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ],
        "extraEgress": [{"ports": [{"protocol": "TCP", "port": 2379}]}],
    },
    "monitoring": {"dashboard": {"enabled": True}},
}
PLURALS = {"NetworkPolicy": "networkpolicies", "PriorityClass": "priorityclasses"}


@pytest.fixture
def removed(kubeconfig: Path, cluster: Cluster) -> Iterator[None]:
    """Leaves nothing of the chart behind, whatever the test does. The lab removes namespaces without what is in them."""
    yield
    run(kubeconfig, "uninstall", "fleet", "--ignore-not-found", "--wait")
    for values in (EVERYTHING, {}):
        for body in reversed([each for each in yaml.safe_load_all(render(values)) if each]):
            cluster.delete(f"{collection(body)}/{body['metadata']['name']}")


def run(kubeconfig: Path, *arguments: str, values: Json | None = None) -> str:
    """Runs helm on the cluster."""
    done = chart.run("--kubeconfig", str(kubeconfig), *arguments, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def collection(body: Json) -> str:
    """The API path of the objects of that kind, in the namespace of this one."""
    version, metadata = body["apiVersion"], body["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = PLURALS.get(body["kind"]) or (
        f"{body['kind'].lower()[:-1]}ies" if body["kind"].endswith("y") else f"{body['kind'].lower()}s"
    )
    space = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{space}/{plural}"


def applied(cluster: Cluster, body: Json) -> tuple[int, Json]:
    """Applies the object as `kubectl apply --server-side` does, where an unknown field is an error."""
    query = "fieldManager=kubectl&force=true&fieldValidation=Strict"
    path = f"{collection(body)}/{body['metadata']['name']}?{query}"
    return cluster.call("PATCH", path, body, patch="apply")


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_api_server_accepts_every_object_and_knows_every_field(
    kubeconfig: Path, cluster: Cluster, removed: None, values: Json
) -> None:
    for body in yaml.safe_load_all(render(values)):
        if body:
            status, answer = applied(cluster, body)
            assert status in (200, 201), (body["kind"], body["metadata"]["name"], answer)


def test_plain_manifests_are_applied_in_the_order_of_the_file(
    kubeconfig: Path, cluster: Cluster, removed: None
) -> None:
    for body in yaml.safe_load_all(MANIFESTS.read_text()):
        if body:
            status, answer = applied(cluster, body)
            assert status in (200, 201), answer


@pytest.mark.parametrize("privileges", ["privileged", "capabilities"])
def test_pod_security_admits_each_pod_in_its_own_namespace_alone(
    kubeconfig: Path, cluster: Cluster, removed: None, privileges: str
) -> None:
    """`enforce` judges pods, and not the objects that make them: so the pods themselves are asked for."""
    rendered = objects({"agent": {"privileges": privileges}})
    for (kind, _), body in rendered.items():
        if kind in ("Namespace", "ServiceAccount", "PriorityClass"):
            applied(cluster, body)
    workloads = {
        "fleet-system": rendered["Deployment", "fleet-controller"],
        "fleet-agents": rendered["DaemonSet", "fleet-agent"],
    }
    for space, workload in workloads.items():
        account = workload["spec"]["template"]["spec"]["serviceAccountName"]
        assert dry(cluster, space, workload["spec"]["template"])[0] == 201, (space, account)
    agent = workloads["fleet-agents"]["spec"]["template"]
    agent["spec"]["serviceAccountName"] = "fleet-controller"
    status, answer = dry(cluster, "fleet-system", agent)
    assert status == 403 and "violates PodSecurity" in answer["message"]


def dry(cluster: Cluster, space: str, template: Json) -> tuple[int, Json]:
    """Asks for a pod of the template, as a controller would, without making it."""
    body = {"apiVersion": "v1", "kind": "Pod", **template}
    body["metadata"] = {**template["metadata"], "name": "one", "namespace": space}
    return cluster.call("POST", f"/api/v1/namespaces/{space}/pods?dryRun=All&fieldValidation=Strict", body)


def older_chart(folder: Path) -> Path:
    """A chart whose Machines show no columns: a copy of this one in which the definition lacks them."""
    chart = folder / "fleet"
    shutil.copytree(CHART, chart)
    template = chart / "templates/installed/crds.yaml"
    kept, _, rest = template.read_text().partition("    additionalPrinterColumns:\n")
    template.write_text(kept + rest[rest.index("    schema:\n") :])
    return chart


def test_helm_installs_upgrades_definitions_and_leaves_them_and_the_journal(
    kubeconfig: Path, cluster: Cluster, removed: None, tmp_path: Path
) -> None:
    run(kubeconfig, "install", "fleet", str(older_chart(tmp_path)))
    assert "Booted" not in columns(cluster)
    run(
        kubeconfig,
        "upgrade",
        "fleet",
        str(CHART),
        values={"controller": {"extraArgs": ["--log-level", "debug"]}},
    )
    assert "Booted" in columns(cluster)
    path = "/apis/apps/v1/namespaces/fleet-system/deployments/fleet-controller"
    (container,) = cluster.get(path)["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["operator", "--log-level", "debug"]

    machine = {"apiVersion": "fleet.internal/v1", "kind": "Machine", "metadata": {"name": "n-1"}}
    cluster.create("/apis/fleet.internal/v1/machines", machine)
    run(kubeconfig, "uninstall", "fleet", "--wait")
    assert cluster.find(path) is None
    assert cluster.find("/apis/fleet.internal/v1/machines/n-1") is not None
    assert cluster.find("/api/v1/namespaces/fleet-system/persistentvolumeclaims/fleet-home") is not None
    assert cluster.find("/apis/rbac.authorization.k8s.io/v1/clusterroles/fleet-controller") is None
    # What was left is taken up again.
    run(kubeconfig, "install", "fleet", str(CHART))
    assert cluster.find("/apis/fleet.internal/v1/machines/n-1") is not None


def columns(cluster: Cluster) -> set[str]:
    (version,) = cluster.get(CRD)["spec"]["versions"]
    return {each["name"] for each in version.get("additionalPrinterColumns", ())}


def test_chart_and_cluster_install_refuse_each_others_objects(
    kubeconfig: Path, cluster: Cluster, removed: None
) -> None:
    wanted: tuple[Manifest, ...] = manifests(None)
    run(kubeconfig, "install", "fleet", str(CHART))
    with pytest.raises(HeldError, match="ClusterRole fleet-agent"):
        with_transport(kubeconfig, lambda transport: install.apply(transport, wanted))
    run(kubeconfig, "uninstall", "fleet", "--wait")
