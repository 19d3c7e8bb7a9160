"""A real kubelet on a real host: its pods run, its budgets are kept, and a reboot into another release is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fleet.lab import Lab
from fleet.lab.machines import LabMachines, cluster
from tests.cluster.rest import Cluster, Json
from tests.machines.host import Host

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
LABELS = {"app": "web"}


@dataclass(frozen=True)
class Node:
    host: Host
    api: Cluster

    def info(self) -> Json:
        found: Json = self.api.get("/api/v1/nodes/w1")["status"]["nodeInfo"]
        return found

    def is_ready(self) -> bool:
        status = self.api.get("/api/v1/nodes/w1")["status"]
        return {"Ready": "True"}.items() <= {
            each["type"]: each["status"] for each in status.get("conditions", [])
        }.items()

    def running(self) -> list[str]:
        """Pods that are Ready and stay."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.api.get(PODS)["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in pod["status"].get("conditions", [])
            )
        )


def wait(condition: Callable[[], object], what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s"
        time.sleep(0.2)  # noqa: TID251 - between two looks at the condition


@pytest.fixture(scope="module")
def node(machines: LabMachines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("control-plane") / "lab"
    lab: Lab = cluster.up(directory, machines, tied=True, progress=print)
    try:
        api = Cluster(lab.kubeconfig)
        found = Node(Host(machines, "w1"), api)
        wait(lambda: api.get("/api/v1/nodes")["items"], "w1 is no node")
        wait(found.is_ready, "w1 is not Ready")
        api.create("/apis/apps/v1/namespaces/default/deployments", workload(2))
        api.create(BUDGETS, budget(2))
        wait(lambda: len(found.running()) == 2, "the pods do not run")
        yield found
    finally:
        lab.down()


def workload(replicas: int) -> Json:
    container = {"name": "web", "image": "lab.fleet.internal/pause:1", "imagePullPolicy": "Never"}
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template},
    }


def budget(available: int) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": available, "selector": {"matchLabels": LABELS}},
    }


def test_node_reports_its_release(node: Node) -> None:
    info = node.info()
    assert info["osImage"] == "Fleet Lab OS 1.0"
    assert info["bootID"] == node.host.boot_id()
    assert info["containerRuntimeVersion"].startswith("containerd://2.")


def test_eviction_is_refused_until_the_budget_allows_it(node: Node) -> None:
    wait(lambda: "disruptionsAllowed" in node.api.get(f"{BUDGETS}/web").get("status", {}), "no budget yet")
    victim = node.running()[0]
    assert node.api.evict("default", victim)[0] == 429
    assert victim in node.running()
    node.api.patch(f"{BUDGETS}/web", {"spec": {"minAvailable": 1}})
    wait(
        lambda: node.api.get(f"{BUDGETS}/web")["status"]["disruptionsAllowed"] == 1, "the budget is not freed"
    )
    assert node.api.evict("default", victim)[0] == 201
    wait(lambda: len(node.running()) == 2 and victim not in node.running(), "no other pod takes its place")


def test_after_a_reboot_the_node_reports_the_new_release_and_its_pods_are_back(node: Node) -> None:
    before = node.info()["bootID"]
    commit = node.host.machines.commits()["1.1"]
    node.host.run(f"ostree admin upgrade --override-commit={commit} --allow-downgrade")
    node.host.reboot()
    wait(lambda: node.info()["bootID"] != before and node.is_ready(), "the node does not come back")
    assert node.info()["osImage"] == "Fleet Lab OS 1.1"
    assert node.info()["bootID"] == node.host.boot_id()
    wait(lambda: len(node.running()) == 2, "the pods do not come back")
