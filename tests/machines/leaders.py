"""Observes which controller leads a cluster, by its Lease alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.background import repeated
from tests.cluster.rest import Cluster

LEASE = "/apis/coordination.k8s.io/v1/namespaces/fleet-system/leases/fleet-controller"
PAUSE = 0.1


@dataclass
class Leaders:
    kubeconfig: Path
    changes: list[tuple[float, str]] = field(default_factory=list)
    """The monotonic time at which a holder was seen first, and the holder; empty: it was given back."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        api = Cluster(self.kubeconfig, patience=60)
        with repeated(lambda: self._look(api), PAUSE):
            yield

    @property
    def takeovers(self) -> list[float]:
        """Seconds for which nobody held the lease, or who held it was gone, each time that another one took it after it was
        given back."""
        pairs = zip(self.changes, self.changes[1:], strict=False)
        return [later - before for (before, holder), (later, taker) in pairs if not holder and taker]

    def _look(self, api: Cluster) -> None:
        status, lease = api.call("GET", LEASE)
        if status != 200:
            return
        holder = str(lease["spec"].get("holderIdentity") or "")
        if not self.changes or self.changes[-1][1] != holder:
            self.changes.append((time.monotonic(), holder))
