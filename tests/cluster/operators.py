"""Operators as pods have them: one process for each Ready pod of the Deployment fleet-controller, stopped by SIGTERM when
its pod is evicted, as a kubelet stops it. The pods themselves run on the lab's nodes, which start nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.background import repeated
from tests.cluster.rest import Cluster, Json
from tests.cluster.scenario import is_ready
from tests.cluster.tokens import token

NAMESPACE = "fleet-system"
CONTROLLER = "fleet-controller"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
IN_POD = f'mount -t tmpfs tmpfs /run && mkdir -p {ACCOUNT} && mount --bind $0 {ACCOUNT} && exec "$@"'
"""Gives a process the folder of a service account where a pod has it, in a mount namespace of its own."""


def deployment(replicas: int) -> Json:
    labels = {"app.kubernetes.io/name": CONTROLLER}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    spec = {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
        "containers": [{"name": "controller", "image": "fleet"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": CONTROLLER, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def account(cluster: Cluster, kubeconfig: Path, folder: Path) -> Path:
    """Writes the folder of the controller's service account."""
    folder.mkdir()
    config = yaml.safe_load(kubeconfig.read_text())
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    (folder / "ca.crt").write_bytes(b64decode(authority))
    (folder / "namespace").write_text(NAMESPACE)
    (folder / "token").write_text(token(cluster, None, CONTROLLER))
    return folder


@dataclass
class Operator:
    pod: str
    node: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Kubelets:
    """Starts and stops the operators of the pods."""

    cluster: Cluster
    folder: Path
    account: Path
    server: str
    database: str
    operators: dict[str, Operator] = field(default_factory=dict)
    """The operators by their pod's uid, also those that have ended."""

    def look(self) -> None:
        pods = {pod["metadata"]["uid"]: pod for pod in self.cluster.get(PODS)["items"] if _is_ours(pod)}
        for uid, pod in pods.items():
            if uid not in self.operators and is_ready(pod):
                self.operators[uid] = self._start(pod["metadata"]["name"], pod["spec"]["nodeName"])
        for uid, operator in self.operators.items():
            if uid not in pods or "deletionTimestamp" in pods[uid]["metadata"]:
                operator.process.terminate()

    def close(self) -> None:
        for operator in self.operators.values():
            operator.process.terminate()
        for operator in self.operators.values():
            operator.process.wait(30)

    @property
    def output(self) -> str:
        return "\n".join(f"== {each.pod} on {each.node}\n{each.output}" for each in self.operators.values())

    def _start(self, pod: str, node: str) -> Operator:
        home, log = self.folder / pod, self.folder / f"{pod}.log"
        home.mkdir()
        address = urlsplit(self.server)
        command = [sys.executable, "-m", "fleet.cli", "--home", str(home), "operator", "--cluster", "here"]
        with log.open("wb") as file:
            process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", IN_POD, str(self.account), *command],
                stdout=file,
                stderr=file,
                env={
                    **os.environ,
                    "FLEET_POD": pod,
                    "FLEET_DATABASE": self.database,
                    "KUBERNETES_SERVICE_HOST": str(address.hostname),
                    "KUBERNETES_SERVICE_PORT": str(address.port),
                    "PYTHONUNBUFFERED": "1",
                    "NO_COLOR": "1",
                    "COLUMNS": "200",
                },
            )
        return Operator(pod, node, process, log)


@contextmanager
def operators(
    cluster: Cluster, kubeconfig: Path, server: str, folder: Path, database: str, replicas: int
) -> Iterator[Kubelets]:
    """The Deployment with so many replicas, and a process for each of its pods."""
    folder.mkdir()
    kubelets = Kubelets(cluster, folder, account(cluster, kubeconfig, folder / "account"), server, database)
    cluster.create(DEPLOYMENTS, deployment(replicas))
    try:
        with repeated(kubelets.look, 0.2):
            yield kubelets
    finally:
        kubelets.close()
        cluster.delete(f"{DEPLOYMENTS}/{CONTROLLER}")
    assert "Traceback" not in kubelets.output, kubelets.output


def _is_ours(pod: Json) -> bool:
    return bool(pod["metadata"].get("labels", {}).get("app.kubernetes.io/name") == CONTROLLER)
