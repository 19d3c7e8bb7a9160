"""Measures the cost of reading a large cluster by fleet, by kubectl, and by the official client's typed lists.

    python -m bench.reading [--nodes N] [--pods N] [--json FILE]

The lab's real API server serves the objects. One node and one pod are made as a user would, run by the scheduler and
kwok until they are Ready, and read back; the others are copies of these with names of their own, written into etcd as
the API server stores them (as JSON, which it reads as it reads its protobuf). Nothing else runs while they are read.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct
from urllib3.exceptions import ReadTimeoutError

from bench.memory import used_by
from fleet.core.engine.engine import Engine
from fleet.core.quorum.groups import EtcdAccess
from fleet.core.rollout.event import ClusterSynced
from fleet.etcd.gateway import Gateway, trust
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.lab import Lab
from fleet.system.clock import WallClock
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import wait
from tests.cluster.scenario import is_ready

REPLICAS = 32
OPERATIONS = 64
"""The number of puts in one etcd transaction, which may be 1.5 MB long."""
PAGE = 500
IDLE = ("kwok", "kube-scheduler", "kube-controller-manager")
"""Programs of the lab that are not needed any more once the templates exist."""
HEAD = ("WHAT", "OBJECTS", "CPU", "WALL", "MEMORY")
"""CPU: seconds, user and system. WALL: seconds. MEMORY: peak of resident memory in MB."""
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web", "team": "shop", "tier": "front"}},
            "spec": {
                "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
                "containers": [
                    {
                        "name": name,
                        "image": f"registry.example/shop/{name}:1.27.3",
                        "env": [{"name": f"SETTING_{number}", "value": "some value"} for number in range(8)],
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "64Mi"},
                            "limits": {"memory": "256Mi"},
                        },
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                    }
                    for name in ("web", "proxy")
                ],
                "volumes": [{"name": "scratch", "emptyDir": {}}],
            },
        },
    },
}


class Row(Struct, frozen=True):
    what: str
    objects: int
    """The number of requested objects."""
    cpu: float
    wall: float
    memory: float


def filled(lab: Lab, nodes: int, pods: int) -> None:
    """Creates the templates and their copies. Fails if the API server does not serve all of them."""
    cluster = Cluster(lab.kubeconfig)
    [name] = lab.add_nodes(1, pools={"workers": 1})
    cluster.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    account = "/api/v1/namespaces/shop/serviceaccounts/default"
    wait(lambda: cluster.find(account) is not None, lambda: "the namespace has no account")
    cluster.create("/apis/apps/v1/namespaces/shop/deployments", DEPLOYMENT)
    pods_path = "/api/v1/namespaces/shop/pods"
    wait(
        lambda: any(is_ready(pod) for pod in cluster.get(pods_path)["items"]), lambda: "the pod is not Ready"
    )
    node, [pod] = cluster.get(f"/api/v1/nodes/{name}"), cluster.get(pods_path)["items"]
    for program in IDLE:
        os.kill(lab.pids()[program], signal.SIGTERM)
    wait(lambda: not _alive(lab), lambda: f"{_alive(lab)} go on")
    names = [name, *(f"m-{number:05}" for number in range(1, nodes))]
    certificates = lab.certificates
    access = EtcdAccess(
        (lab.etcd_endpoint,),
        str(certificates.etcd_authority),
        str(certificates.etcd_client.certificate),
        str(certificates.etcd_client.key),
    )
    gateway = Gateway(lab.etcd_endpoint, trust(access))
    puts = iter((*_nodes(node, names[1:]), *_pods(pod, names, pods - 1)))
    while batch := list(islice(puts, OPERATIONS)):
        gateway.call("/v3/kv/txn", {"success": [{"request_put": put} for put in batch]}, 60)
    wanted = [nodes, pods]
    wait(lambda: _served(cluster) == wanted, lambda: f"{_served(cluster)} are served instead of {wanted}")
    wait(lambda: _caught_up(cluster), lambda: "the API server's watch cache has not caught up", 600)


def _alive(lab: Lab) -> list[str]:
    return [program.name for program in lab.status().programs if program.alive and program.name in IDLE]


def _caught_up(cluster: Cluster) -> bool:
    """Returns whether the API server's watch cache has caught up: until then it refuses lists without pages."""
    query = "?labelSelector=app%3Dapp-0"
    try:
        return all(cluster.call("GET", f"/api/v1/{kind}{query}")[0] == 200 for kind in ("nodes", "pods"))
    except ReadTimeoutError:
        return False


def _served(cluster: Cluster) -> list[int]:
    return [_count(cluster, path) for path in ("/api/v1/nodes", "/api/v1/pods")]


def _count(cluster: Cluster, path: str) -> int:
    answer = cluster.get(f"{path}?limit=1")
    return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount", 0))


def _nodes(template: Json, names: Sequence[str]) -> Iterator[Json]:
    for name in names:
        node = _copy(template, "v1", "Node", name)
        node["metadata"]["labels"]["kubernetes.io/hostname"] = name
        node["status"]["nodeInfo"]["bootID"] = str(uuid4())
        yield _put(f"/registry/minions/{name}", node)


def _pods(template: Json, nodes: Sequence[str], count: int) -> Iterator[Json]:
    for number in range(count):
        app, node = f"app-{number // REPLICAS}", nodes[number % len(nodes)]
        pod = _copy(template, "v1", "Pod", f"{app}-5d8c7f9b6-{number:05x}")
        pod["metadata"]["labels"]["app"] = app
        pod["metadata"]["ownerReferences"][0] |= {"name": f"{app}-5d8c7f9b6", "uid": f"rs-{app}"}
        pod["spec"]["nodeName"] = node
        yield _put(f"/registry/pods/shop/{pod['metadata']['name']}", pod)


def _copy(template: Json, version: str, kind: str, name: str) -> Json:
    made = deepcopy(template) | {"apiVersion": version, "kind": kind}
    made["metadata"] |= {"name": name, "uid": str(uuid4())}
    for key in ("resourceVersion", "generateName", "selfLink"):
        made["metadata"].pop(key, None)
    return made


def _put(key: str, obj: Json) -> Json:
    return {"key": b64encode(key.encode()).decode(), "value": b64encode(msgspec.json.encode(obj)).decode()}


def measured(reader: str, objects: int, command: Sequence[str]) -> Row:
    return Row(reader, objects, *used_by(command))


def rows(lab: Lab, home: Path, nodes: int, pods: int) -> Iterator[Row]:
    fleet = [sys.executable, "-m", "fleet.cli", "--home", str(home)]
    self = [sys.executable, "-m", "bench.reading", "--kubeconfig", str(lab.kubeconfig)]
    used_by([*fleet, "cluster", "add", "lab", "--kubeconfig", str(lab.kubeconfig), "--site", "here"])
    yield measured("fleet sync, into an empty database", nodes + pods, [*fleet, "sync"])
    yield measured("fleet sync, again", nodes + pods, [*fleet, "sync"])
    yield measured("a controller's views, listed and watched", nodes + pods, [*self, "--view"])
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "--kubeconfig", str(lab.kubeconfig), "get", "nodes", "-o", "json"]
        yield measured("kubectl get nodes -o json", nodes, command)
    else:
        print("no kubectl on this machine: its row is left out", file=sys.stderr)
    for kind, count in (("nodes", nodes), ("pods", pods)):
        yield measured(f"typed client, list of {kind}", count, [*self, "--typed", kind])


def view(kubeconfig: Path) -> None:
    """Reads the cluster as a controller does: lists, watches, and keeps the objects that an engine needs."""
    engine = Engine({"lab": "here"})

    async def until_synced() -> None:
        clock = WallClock()
        cluster = KubeCluster("lab", CredentialSource(kubeconfig), clock)
        try:
            async for event in cluster.events():
                engine.observe(event, clock.now())
                if isinstance(event, ClusterSynced):
                    return
        finally:
            await cluster.close()

    asyncio.run(until_synced())


def typed(kubeconfig: Path, kind: str) -> None:
    """Reads with the official client in pages, one in memory at a time: all of them would not fit into most machines."""
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException

    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig), persist_config=False))
    list_page = api.list_node if kind == "nodes" else api.list_pod_for_all_namespaces
    following: str | None = ""
    while following is not None:
        try:
            page: Any = list_page(limit=PAGE, **({"_continue": following} if following else {}))
            following = page.metadata._continue or None  # noqa: SLF001 (the official client's name)
        except ApiException as error:
            # The client takes longer than the five minutes after which the API server forgets the list's resourceVersion.
            if error.status != 410:
                raise
            following = msgspec.json.decode(error.body)["metadata"]["continue"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="write the rows there too")
    for hidden in ("--kubeconfig", "--typed"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--view", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.typed:
        typed(Path(chosen.kubeconfig), chosen.typed)
        return
    if chosen.view:
        view(Path(chosen.kubeconfig))
        return
    measured_rows: list[Row] = []
    with TemporaryDirectory() as folder:
        lab = Lab.up(Path(folder) / "lab", tied=True, progress=lambda line: print(line, file=sys.stderr))
        try:
            filled(lab, chosen.nodes, chosen.pods)
            print(_line(HEAD))
            for row in rows(lab, Path(folder) / "home", chosen.nodes, chosen.pods):
                measured_rows.append(row)
                print(_line(_cells(row)), flush=True)
        finally:
            lab.down()
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured_rows), indent=1))


def _cells(row: Row) -> Sequence[str]:
    return (row.what, f"{row.objects:,}", f"{row.cpu:.1f}", f"{row.wall:.1f}", f"{row.memory:.0f}")


def _line(cells: Sequence[str]) -> str:
    return "  ".join((cells[0].ljust(42), *(cell.rjust(8) for cell in cells[1:])))


if __name__ == "__main__":
    main()
