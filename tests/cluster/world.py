"""The world of the contract's cases on a real API server: the lab's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec.structs import asdict

from fleet.core.objects.node import Taint, Toleration
from fleet.drivers import ports
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.kube.install.install import apply
from fleet.kube.install.installation import manifests
from fleet.lab import Lab
from tests.cluster.rest import Cluster, Json
from tests.contract.world import NAMESPACE, Kind

NEVER_MS = 3_600_000
WAIT_SECONDS = 120.0


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the edge: a real server lives in real time

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class RealWorld:
    """Use as `async with`: fleet is installed in the cluster then."""

    def __init__(self, lab: Lab, rest: Cluster) -> None:
        self._lab = lab
        self._rest = rest
        self._opened: list[KubeCluster] = []
        self.kube = self.open(lab.kubeconfig)

    async def __aenter__(self) -> RealWorld:
        await apply(self.kube.transport, manifests(None))
        await self._do(self._make_namespace)
        return self

    async def __aexit__(self, *_: object) -> None:
        for cluster in self._opened:
            await cluster.close()

    @property
    def cluster(self) -> ports.Cluster:
        return self.kube

    def open(self, kubeconfig: Path) -> KubeCluster:
        """Closed with this world."""
        cluster = KubeCluster("east", CredentialSource(kubeconfig), WallClock())
        self._opened.append(cluster)
        return cluster

    async def another(self) -> ports.Cluster:
        return self.open(self._lab.kubeconfig)

    async def add_nodes(self, count: int) -> None:
        names = await asyncio.to_thread(partial(self._lab.add_nodes, count))
        for name in names:
            await self._do(self._add_machine, name)

    async def add_workload(
        self,
        kind: Kind,
        name: str,
        replicas: int,
        *,
        labels: Mapping[str, str] | None = None,
        ready_after: float | None = 0.2,
        gone_after: float = 0.2,
    ) -> None:
        template = {
            "metadata": {
                "labels": {"app": name, **(labels or {})},
                "annotations": _delays(ready_after, gone_after),
            },
            "spec": _POD_SPEC,
        }
        spec: Json = {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        }
        if kind == "StatefulSet":
            spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind.lower()}s"
        await self._create(path, {"kind": kind, "apiVersion": "apps/v1"} | _named(name) | {"spec": spec})

    async def add_daemonset(
        self, name: str, selector: Mapping[str, str], tolerations: Sequence[Toleration] = ()
    ) -> None:
        reported = [{key: value for key, value in asdict(each).items() if value} for each in tolerations]
        template = {
            "metadata": {"labels": {"app": name}, "annotations": _delays(0.2, 0.2)},
            "spec": _POD_SPEC | {"nodeSelector": dict(selector), "tolerations": reported},
        }
        spec: Json = {"selector": {"matchLabels": {"app": name}}, "template": template}
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets"
        await self._create(
            path, {"kind": "DaemonSet", "apiVersion": "apps/v1"} | _named(name) | {"spec": spec}
        )

    async def set_node(self, node: str, labels: Mapping[str, str | None], taints: Sequence[Taint]) -> None:
        reported = [{key: value for key, value in asdict(each).items() if value} for each in taints]
        body: Json = {"metadata": {"labels": dict(labels)}, "spec": {"taints": reported}}
        await self.patch(f"/api/v1/nodes/{node}", body)

    async def attach(self, volume: str, claim: str, node: str) -> str:
        source = {"driver": "csi.test", "volumeHandle": volume}
        spec: Json = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "csi": source,
            "claimRef": {"namespace": NAMESPACE, "name": claim},
        }
        await self._create("/api/v1/persistentvolumes", _named(volume) | {"spec": spec})
        name, path = f"csi-{volume}", "/apis/storage.k8s.io/v1/volumeattachments"
        to = {"attacher": "csi.test", "nodeName": node, "source": {"persistentVolumeName": volume}}
        # As an external attacher does: its finalizer keeps the attachment until the volume is detached.
        meta = {"metadata": {"name": name, "finalizers": ["external-attacher/csi-test"]}}
        await self._create(path, meta | {"spec": to})
        await self.patch(f"{path}/{name}/status", {"status": {"attached": True}})
        return name

    async def detach(self, attachment: str) -> None:
        path = f"/apis/storage.k8s.io/v1/volumeattachments/{attachment}"
        await self._do(self._rest.delete, path)
        await self.patch(path, {"metadata": {"finalizers": None}})

    async def declare(self, kind: Kind, name: str, quorum: str | None) -> None:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind.lower()}s/{name}"
        await self.patch(path, {"metadata": {"annotations": {"fleet.internal/quorum": quorum}}})

    async def add_pod(
        self, name: str, *, labels: Mapping[str, str] | None = None, ready_after: float | None = 0.2
    ) -> None:
        body = {
            "metadata": {
                "name": name,
                "labels": {"app": name, **(labels or {})},
                "annotations": _delays(ready_after, 0.2),
            },
            "spec": _POD_SPEC,
        }
        await self._create(f"/api/v1/namespaces/{NAMESPACE}/pods", body)

    async def add_budget(
        self,
        name: str,
        *,
        min_available: int | str | None = None,
        max_unavailable: int | str | None = None,
        labels: Mapping[str, str] | None = None,
        unhealthy: Literal["IfHealthyBudget", "AlwaysAllow"] = "IfHealthyBudget",
    ) -> None:
        spec: Json = {
            "selector": {"matchLabels": dict(labels or {"app": name})},
            "unhealthyPodEvictionPolicy": unhealthy,
        }
        if min_available is not None:
            spec["minAvailable"] = min_available
        if max_unavailable is not None:
            spec["maxUnavailable"] = max_unavailable
        path = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
        await self._create(path, _named(name) | {"spec": spec})

    async def set_ready(self, pod: str, ready: bool) -> None:
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        body = {"status": {"phase": "Running", "conditions": [condition]}}
        await self.patch(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/status", body, "strategic-merge")

    async def set_cordon(self, node: str, cordoned: bool) -> None:
        await self.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": cordoned or None}})

    async def annotate(self, node: str, key: str, value: str) -> None:
        await self.patch(f"/api/v1/nodes/{node}", {"metadata": {"annotations": {key: value}}})

    async def delete_pod(self, pod: str) -> None:
        await self._do(self._rest.delete, f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}")

    async def patch(self, path: str, body: Json, kind: str = "merge") -> Json:
        """As a stranger does."""
        return await asyncio.to_thread(self._rest.patch, path, body, kind)

    async def get(self, path: str) -> Json:
        return await asyncio.to_thread(self._rest.get, path)

    async def _create(self, path: str, body: Json) -> None:
        await asyncio.to_thread(self._rest.create, path, body)

    async def _do(self, work: object, *arguments: str) -> None:
        assert callable(work)
        await asyncio.to_thread(work, *arguments)

    def _make_namespace(self) -> None:
        path = f"/api/v1/namespaces/{NAMESPACE}"
        if self._rest.find(path) is None:
            self._rest.create("/api/v1/namespaces", _named(NAMESPACE))

    def _add_machine(self, name: str) -> None:
        node = self._rest.get(f"/api/v1/nodes/{name}")
        info = node["status"]["nodeInfo"]
        body = {"apiVersion": "fleet.internal/v1", "kind": "Machine"} | _named(name)
        path = "/apis/fleet.internal/v1/machines"
        self._rest.create(path, body)
        booted = {"version": "1.0", "digest": "sha256:01", "kernel": info["kernelVersion"]}
        status = {"os": "simulated", "bootID": info["bootID"], "booted": booted}
        self._rest.patch(f"{path}/{name}/status", {"status": status})


_POD_SPEC: Json = {
    "terminationGracePeriodSeconds": 5,
    "automountServiceAccountToken": False,
    "containers": [{"name": "main", "image": "registry.invalid/main:1"}],
}


def _named(name: str) -> Json:
    return {"metadata": {"name": name}}


def _delays(ready_after: float | None, gone_after: float) -> dict[str, str]:
    ready = NEVER_MS if ready_after is None else round(1000 * ready_after)
    return {
        "lab.fleet.internal/ready-after-ms": str(ready),
        "lab.fleet.internal/delete-after-ms": str(round(1000 * gone_after)),
    }
