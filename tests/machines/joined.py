"""The same hosts as nodes of a control plane beside them: real kubelets, and an agent a node, a process that reaches it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fleet.lab import Lab
from fleet.lab.machines import Machines, cluster
from tests.cluster.rest import Cluster, Json
from tests.machines.test_hosts import Fleet

NODES = "/api/v1/nodes"
MACHINES = "/apis/fleet.internal/v1/machines"
PODS = "/api/v1/namespaces/default/pods"
LABELS = {"app": "slow"}
POLICY = """\
streams:
  - name: stable
    releases:
      - {version: "1.0"}
pools:
  - name: tills
    selector: {matchLabels: {kubernetes.io/os: linux}}
    stream: stable
    soak: 1s
"""


class Joined:
    def __init__(self, machines: Machines, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.api = Cluster(lab.kubeconfig, patience=30)
        self.fleet = Fleet(machines, folder)
        self.fleet.policy.write_text(POLICY)
        self._agents: dict[str, subprocess.Popen[bytes]] = {}

    def start_agent(self, name: str) -> None:
        words = ("--node", name, "--kubeconfig", str(self.lab.kubeconfig), "--host", f"ssh:{name}")
        self._agents[name] = self.fleet.popen("agent", *words)

    def kill_agent(self, name: str) -> None:
        agent = self._agents.pop(name)
        agent.kill()
        agent.communicate()

    def kill_agents(self) -> None:
        for name in list(self._agents):
            self.kill_agent(name)

    def work(self, name: str, action: str) -> Json:
        """The word of the node's agent about this action; empty while it has said none."""
        work: Json = self.api.get(f"{MACHINES}/{name}").get("status", {}).get("work") or {}
        return work if f"/{action}/" in work.get("token", "") else {}

    def is_ready(self, name: str) -> bool:
        found = self.api.find(f"{NODES}/{name}") or {}
        conditions = found.get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def leaving(self, name: str) -> list[str]:
        """Pods of the node that were evicted and are not gone."""
        return [
            pod["metadata"]["name"]
            for pod in self.api.get(PODS)["items"]
            if pod["spec"].get("nodeName") == name and "deletionTimestamp" in pod["metadata"]
        ]

    def running(self) -> list[str]:
        """Nodes of the pods that are Ready."""
        return [
            pod["spec"]["nodeName"]
            for pod in self.api.get(PODS)["items"]
            for each in pod["status"].get("conditions", [])
            if each["type"] == "Ready" and each["status"] == "True"
        ]

    def silent_seconds(self, name: str) -> float:
        """Since the node's kubelet was heard of; it tells of itself every ten seconds."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        heard = datetime.fromisoformat(self.api.get(path)["spec"]["renewTime"])
        return (datetime.now(UTC) - heard).total_seconds()  # noqa: TID251 - the kubelet's clock is this one


def slow_to_stop(node: str, seconds: int) -> Json:
    """A pod of a ReplicaSet that likes this node, and takes so long to end."""
    container = {
        "name": "slow",
        "image": "lab.fleet.internal/pause:1",
        "imagePullPolicy": "Never",
        "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}},
    }
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    likes = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": term}]}
    spec = {"containers": [container], "affinity": {"nodeAffinity": likes}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "slow"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": spec},
        },
    }


@contextmanager
def joined(
    machines: Machines, folder: Path, wait: Callable[[Callable[[], object], str], None]
) -> Iterator[Joined]:
    lab = cluster.up(folder / "lab", machines, tied=True, progress=print)
    try:
        (folder / "home").mkdir()
        found = Joined(machines, lab, folder / "home")
        names = [each.name for each in machines.all]
        wait(lambda: all(found.is_ready(name) for name in names), "not all nodes are Ready")
        kubeconfig = str(lab.kubeconfig)
        found.fleet.run("cluster", "add", "shop", "--kubeconfig", kubeconfig, "--site", "fra")
        found.fleet.run("cluster", "install", "shop", "--no-agent")
        try:
            for name in names:
                found.start_agent(name)
            wait(
                lambda: all((found.api.find(f"{MACHINES}/{name}") or {}).get("status") for name in names),
                "not all agents report",
            )
            yield found
        finally:
            found.kill_agents()
    finally:
        lab.down()
