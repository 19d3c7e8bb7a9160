"""A cluster of fleet's in front of the fake API server, and a clock that does not keep tests waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.kube.watch.informers import HealthCheck
from tests.kube_fake.server import ApiServer, Json
from tests.kube_fake.tls import self_signed

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


@dataclass
class QuickClock:
    """A second lasts a hundredth of one; what was waited for is kept."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds / 100)


def write_kubeconfig(path: Path, server: str, user: Json | None = None, cluster: Json | None = None) -> Path:
    content = {
        "current-context": "east",
        "contexts": [{"name": "east", "context": {"cluster": "east", "user": "me"}}],
        "clusters": [{"name": "east", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "me", "user": user or {}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@asynccontextmanager
async def faked(
    tmp_path: Path, user: Json | None = None, clock: QuickClock | None = None
) -> AsyncIterator[tuple[ApiServer, KubeCluster]]:
    """A user's credentials are sent over TLS only. Pauses have no jitter."""
    authority = {"certificate-authority": "certificate.pem"} if user else None
    async with ApiServer(tls=self_signed(tmp_path) if user else None) as server:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, user, authority)
        cluster = KubeCluster(
            "east",
            CredentialSource(kubeconfig),
            clock or QuickClock(),
            HealthCheck(answer=1.0),
            jitter=lambda: 1.0,
        )
        try:
            yield server, cluster
        finally:
            await cluster.close()


def node(name: str, **spec: object) -> Json:
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"bootID": f"boot-{name}"},
        },
    }


def pod(name: str, on: str = "n-0001") -> Json:
    return {
        "metadata": {"name": name, "namespace": "web", "labels": {"app": name}},
        "spec": {"nodeName": on, "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
