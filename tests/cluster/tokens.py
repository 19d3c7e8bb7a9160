"""Tokens of fleet's accounts: those of agents as a kubelet gets them for the pod of an agent."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cluster.rest import Cluster, Json

NAMESPACE = "fleet-system"
ACCOUNT = "fleet-agent"


def agent_pod(cluster: Cluster, node: str) -> Json:
    """A pod of the agents' account on that node."""
    spec = {
        "serviceAccountName": ACCOUNT,
        "nodeName": node,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "agent", "image": "agent"}],
    }
    metadata = {"name": f"agent-{node}", "namespace": NAMESPACE}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    return cluster.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def token(cluster: Cluster, pod: Json | None, account: str = ACCOUNT) -> str:
    """A token of the account, bound to the pod; to none if that is None."""
    spec: Json = {"expirationSeconds": 3600}
    if pod is not None:
        meta = pod["metadata"]
        spec["boundObjectRef"] = {
            "kind": "Pod",
            "apiVersion": "v1",
            "name": meta["name"],
            "uid": meta["uid"],
        }
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(cluster.create(path, body)["status"]["token"])


def kubeconfig_with(kubeconfig: Path, bearer: str, file: Path) -> Path:
    """Writes a kubeconfig for the same cluster, as the bearer of the token."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"] = [{"name": each["name"], "user": {"token": bearer}} for each in config["users"]]
    file.write_text(yaml.safe_dump(config))
    return file
