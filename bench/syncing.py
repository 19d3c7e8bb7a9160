"""Measures `fleet sync` of a large cluster in which nothing has changed: a whole process, without an API server's own
work, since the pages of its lists are made beforehand and served as they are.

    python -m bench.syncing [--nodes N] [--pods N] [--runs N] [--beside PROGRAM] [--json FILE]

`--beside` names the `fleet` of another installation, such as that of an older commit: both take turns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import getloadavg
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec

from bench.memory import used_by
from bench.rows import HEAD, line, row_of, shown

Json = dict[str, Any]
PAGE = 1000
"""The number of objects that fleet requests at once."""
REPLICAS = 32
EMPTY = b'{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[]}'
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: bench
contexts: [{{name: bench, context: {{cluster: bench, user: bench}}}}]
clusters: [{{name: bench, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: bench, user: {{}}}}]
"""


def a_node(number: int) -> Json:
    """Returns a Node of the size that a kubelet writes, with some images and the fields' managers."""
    name = f"n-{number:05}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": f"zone-{number % 3}",
        "fleet.internal/pool": "workers",
    }
    conditions = [
        {
            "type": type_,
            "status": "True" if type_ == "Ready" else "False",
            "reason": f"Kubelet{type_}",
            "message": f"kubelet reports {type_}",
            "lastHeartbeatTime": "2026-11-01T00:00:00Z",
            "lastTransitionTime": "2026-10-01T00:00:00Z",
        }
        for type_ in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    amounts = {"cpu": "16", "memory": "65843268Ki", "pods": "110", "ephemeral-storage": "203056560Ki"}
    return {
        "metadata": {**_meta(name, number, labels), "annotations": {"volumes.kubernetes.io/managed": "true"}},
        "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"], "providerID": f"bench://{name}"},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": f"10.0.{number // 256}.{number % 256}"}],
            "images": [
                {
                    "names": [f"registry.example/shop/app-{image}@sha256:{image:064x}"],
                    "sizeBytes": 100_000_000,
                }
                for image in range(20)
            ],
            "nodeInfo": {
                "machineID": f"{number:032x}",
                "systemUUID": str(UUID(int=number + 1)),
                "bootID": str(UUID(int=number + 2)),
                "kernelVersion": "6.12.9-200.fc41.x86_64",
                "osImage": "Fedora CoreOS 41.20250117.3.0",
                "kubeletVersion": "v1.34.2",
                "architecture": "amd64",
                "operatingSystem": "linux",
            },
        },
    }


def a_pod(number: int, nodes: int) -> Json:
    """Returns a Pod of a Deployment with two containers, as it is once both run."""
    app = f"app-{number // REPLICAS}"
    containers = [
        {
            "name": name,
            "image": f"registry.example/shop/{name}:1.27.3",
            "env": [{"name": f"SETTING_{setting}", "value": "some value"} for setting in range(8)],
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        }
        for name in ("web", "proxy")
    ]
    ready = {"status": "True", "lastTransitionTime": "2026-10-01T00:00:00Z"}
    meta = _meta(f"{app}-5d8c7f9b6-{number:05x}", number, {"app": app, "team": "shop", "tier": "front"})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-5d8c7f9b6", "uid": f"rs-{app}"}
    return {
        "metadata": {
            **meta,
            "namespace": "shop",
            "creationTimestamp": "2026-10-01T00:00:00Z",
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "nodeName": f"n-{number % nodes:05}",
            "containers": containers,
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "tolerations": [
                {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
                for key in ("not-ready", "unreachable")
            ],
            "terminationGracePeriodSeconds": 30,
            "priority": 0,
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": type_, **ready}
                for type_ in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ],
            "containerStatuses": [
                {"name": name, "ready": True, "restartCount": 0} for name in ("web", "proxy")
            ],
        },
    }


def _meta(name: str, number: int, labels: dict[str, str]) -> Json:
    fields: Json = {
        f"f:{key}": {".": {}, "f:inner": {}} for key in ("metadata", "labels", "spec", "status", "conditions")
    }
    managers = [
        {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}
        for manager in ("kube-controller-manager", "kubelet")
    ]
    return {
        "name": name,
        "uid": str(UUID(int=number + 10**9)),
        "resourceVersion": str(number + 100),
        "labels": labels,
        "managedFields": managers,
    }


def pages(kind: str, count: int, make: Callable[[int], Json]) -> list[bytes]:
    """Returns the answers to a list in pages; the token that continues it is the number of the next page."""
    found: list[bytes] = []
    for start in range(0, count, PAGE):
        end = min(start + PAGE, count)
        meta = {"resourceVersion": "9"} | ({"continue": str(len(found) + 1)} if end < count else {})
        listed = {
            "kind": kind,
            "apiVersion": "v1",
            "metadata": meta,
            "items": [*map(make, range(start, end))],
        }
        found.append(msgspec.json.encode(listed))
    return found


def answers_of(nodes: int, pods: int) -> dict[str, list[bytes]]:
    """Returns the pages of all nodes and pods by path, and the newest object of each, which fleet compares with etcd."""
    node, pod = a_node(nodes - 1), a_pod(pods - 1, nodes)
    return {
        "/api/v1/namespaces/kube-system": [b'{"metadata":{"name":"kube-system","uid":"kube-system"}}'],
        "/api/v1/nodes": pages("NodeList", nodes, a_node),
        "/api/v1/pods": pages("PodList", pods, partial(a_pod, nodes=nodes)),
        f"/api/v1/nodes/{node['metadata']['name']}": [msgspec.json.encode(node)],
        f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}": [msgspec.json.encode(pod)],
    }


@contextmanager
def served(answers: dict[str, list[bytes]]) -> Iterator[int]:
    """Serves pages by path; lists of other paths are empty. Yields the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            page = int(parse_qs(url.query).get("continue", ["0"])[0])
            if url.path == "/version":
                self._send(200, b'{"gitVersion":"v1.34.2"}')
            elif url.path in answers:
                self._send(200, answers[url.path][page])
            elif "limit=" in url.query:
                self._send(200, EMPTY)
            else:
                self._send(404, b'{"kind":"Status","code":404,"reason":"NotFound","message":"not here"}')

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(201, b'{"kind":"SelfSubjectAccessReview","status":{"allowed":true}}')

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing: 110 requests a run."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.syncing", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--beside", help="the program of another installation")
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    answers = answers_of(chosen.nodes, chosen.pods)
    programs = {"fleet sync, unchanged": [sys.executable, "-m", "fleet.cli"]}
    if chosen.beside:
        programs["the same, the other"] = [chosen.beside]
    with TemporaryDirectory() as folder, served(answers) as port:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(port=port))
        for number, program in enumerate(programs.values()):
            home = ["--home", f"{folder}/{number}"]
            used_by([*program, *home, "init"])
            used_by(
                [
                    *program,
                    *home,
                    "cluster",
                    "add",
                    "bench",
                    "--kubeconfig",
                    str(kubeconfig),
                    "--site",
                    "here",
                ]
            )
            used_by([*program, *home, "sync"])
        used = {
            what: [used_by([*program, "--home", f"{folder}/{number}", "sync"]) for _ in range(chosen.runs)]
            for number, (what, program) in enumerate(programs.items())
        }
    rows = [row_of(what, runs) for what, runs in used.items()]
    print(line(HEAD))
    for row in rows:
        print(shown(row))
    print(f"load average: {getloadavg()[0]:.1f}")
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))


if __name__ == "__main__":
    main()
