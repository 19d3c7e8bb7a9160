"""One cluster to try things on, as the cases need it. A model and a real API server each have one of this shape.

Everything is in namespace `web`. A pod carries the label `app` with the name of its workload (or its own).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from fleet.core.objects.node import Taint, Toleration
from fleet.drivers.ports import Cluster

NAMESPACE = "web"

Kind = Literal["Deployment", "StatefulSet"]


class World(Protocol):
    """Everything is added before the case asks `cluster` for its events; strangers may act at any time."""

    @property
    def cluster(self) -> Cluster:
        """What is tested. Always the same one."""
        ...

    async def another(self) -> Cluster:
        """The same cluster as another process of fleet sees it."""
        ...

    async def add_nodes(self, count: int) -> None:
        """Ready nodes with room for 20 pods each, each with a Machine whose agent has reported once and does no more."""
        ...

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
        """Its pods become Ready (`None`: by `set_ready` alone) and go in so many seconds. Does not wait for that.

        A StatefulSet makes its pods all at once (podManagementPolicy Parallel).
        """
        ...

    async def add_daemonset(
        self, name: str, selector: Mapping[str, str], tolerations: Sequence[Toleration] = ()
    ) -> None:
        """Its pods become Ready, and go, in 0.2 s. Only after the case has begun to look."""
        ...

    async def set_node(self, node: str, labels: Mapping[str, str | None], taints: Sequence[Taint]) -> None:
        """Changes these labels (None: takes it away) and makes these the only taints."""
        ...

    async def attach(self, volume: str, claim: str, node: str) -> str:
        """A PersistentVolume bound to the claim of that name, attached to the node; answers the attachment's name."""
        ...

    async def detach(self, attachment: str) -> None:
        """What the CSI driver has done then."""
        ...

    async def declare(self, kind: Kind, name: str, quorum: str | None) -> None:
        """Annotates a workload as a quorum group, or takes the annotation away."""
        ...

    async def add_pod(
        self, name: str, *, labels: Mapping[str, str] | None = None, ready_after: float | None = 0.2
    ) -> None:
        """A pod without a controller."""
        ...

    async def add_budget(
        self,
        name: str,
        *,
        min_available: int | str | None = None,
        max_unavailable: int | str | None = None,
        labels: Mapping[str, str] | None = None,
        unhealthy: Literal["IfHealthyBudget", "AlwaysAllow"] = "IfHealthyBudget",
    ) -> None:
        """`labels`: what it selects; without them the pods of the workload of its own name."""
        ...

    async def set_ready(self, pod: str, ready: bool) -> None:
        """Sets the result of the pod's readiness probe; its containers run."""
        ...

    async def set_cordon(self, node: str, cordoned: bool) -> None:
        """As a stranger does with kubectl: annotations stay."""
        ...

    async def annotate(self, node: str, key: str, value: str) -> None:
        """As a stranger does."""
        ...

    async def delete_pod(self, pod: str) -> None:
        """As a stranger does, without asking a budget."""
        ...
