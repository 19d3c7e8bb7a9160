"""A client that uses a workload all the time, and must never see an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.background import repeated
from tests.cluster.rest import Cluster, Json

_PATIENCE = 60.0
"""Seconds for which the API server may be asked again: its own errors are not the workload's."""
_PAUSE = 0.1


def ready(pod: Json) -> bool:
    """Whether it is Ready and stays."""
    conditions = pod["status"].get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )


@dataclass
class Client:
    """Reads which pods are ready, as a proxy does, and calls one after another at its address."""

    kubeconfig: Path
    pods: str
    answers: int = 0
    errors: list[str] = field(default_factory=list)
    fewest: int = 1000
    """Ready pods."""
    _turn: int = 0

    @contextmanager
    def calling(self) -> Iterator[Client]:
        api, pool = Cluster(self.kubeconfig, patience=_PATIENCE), urllib3.PoolManager()
        with repeated(lambda: self._next(api, pool), _PAUSE):
            yield self

    def _next(self, api: Cluster, pool: urllib3.PoolManager) -> None:
        status, found = api.call("GET", self.pods)
        if status != 200:
            return
        there = [pod for pod in found["items"] if ready(pod)]
        self.fewest = min(self.fewest, len(there))
        if not there:
            self.errors.append("no pod is ready")
            return
        pod = there[self._turn % len(there)]
        self._turn += 1
        self._call(pool, pod["status"]["podIP"], pod["metadata"]["name"])

    def _call(self, pool: urllib3.PoolManager, address: str, name: str) -> None:
        at = time.strftime("%H:%M:%S")
        try:
            answer = pool.request("GET", f"http://{address}:8080/", timeout=10, retries=False)
        except urllib3.exceptions.HTTPError as error:
            self.errors.append(f"{at} {name}: {error}")
            return
        if answer.data.decode().strip() == name:
            self.answers += 1
        else:
            self.errors.append(f"{at} {name}: {answer.status} {answer.data[:80]!r}")
