"""The fleet that the cluster tests upgrade: workloads with budgets of every sort, on nodes in zones and pools.

Sized so that 60 nodes roll over in two or three minutes: a replacement is Ready in 1 to 3 seconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.rest import Cluster, Json

READY_SECONDS = 120.0
POOL_LABEL = "fleet.internal/pool"
STORAGE = "storage"
NAMESPACES = ("batch", "db", "ops", "shop", "web")
"""Kept between tests, empty: the API server takes five seconds to delete a namespace."""


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget: one of `min_available` and `max_unavailable`, as a number or a percentage."""

    name: str
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet with its budgets. A DaemonSet's `replicas` are not used."""

    kind: str
    namespace: str
    name: str
    replicas: int = 1
    budgets: tuple[Budget, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    pool: str | None = None

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"


OBSTACLE = {"obstacle": "yes"}
"""Pods with this label have each a node of their own, so that each is what holds a node."""

CHECKOUT = Workload(
    "Deployment", "web", "checkout", 1, (Budget("checkout", min_available=1),), labels=OBSTACLE
)
"""Allows no disruption: one replica, of which one must stay. Free it with `Scenario.free_checkout`."""

CART = Workload(
    "Deployment",
    "shop",
    "cart",
    3,
    (
        Budget("cart", max_unavailable=1, selector={"app": "cart"}),
        Budget("whole-shop-front", min_available=1, selector={"tier": "front"}),
    ),
    labels={"tier": "front", **OBSTACLE},
)
"""Matched by two budgets, so that the Eviction API refuses with 500 to evict its pods."""

DEBUG_NAMESPACE, DEBUG_POD = "ops", "debug"
"""A pod without a controller: nobody would make it again."""

POSTGRES = Workload(
    "StatefulSet", "db", "postgres", 3, (Budget("postgres", max_unavailable=1),), pool=STORAGE
)
AGENT = Workload("DaemonSet", "ops", "agent")

_FILLERS = (
    ("Deployment", "web", 4, Budget("", max_unavailable=1), None),
    ("Deployment", "web", 6, Budget("", min_available="50%"), None),
    ("Deployment", "shop", 3, Budget("", max_unavailable=1), None),
    ("StatefulSet", "db", 3, Budget("", max_unavailable=1), STORAGE),
    ("Deployment", "shop", 8, Budget("", max_unavailable="25%"), None),
    ("Deployment", "web", 5, Budget("", min_available="80%"), None),
    ("Deployment", "batch", 2, None, None),
    ("StatefulSet", "db", 5, Budget("", min_available="60%"), None),
    ("Deployment", "shop", 10, Budget("", min_available="70%"), None),
)


@dataclass(frozen=True)
class Scenario:
    """Workloads to create, and (`obstacles`) the ones that hold a rollout until someone helps."""

    workloads: tuple[Workload, ...]
    obstacles: bool

    @property
    def pods(self) -> int:
        """Pods of Deployments and StatefulSets, without the DaemonSet's and the bare one."""
        return sum(workload.replicas for workload in self.workloads if workload.kind != "DaemonSet")

    def create(self, cluster: Cluster) -> None:
        """Creates everything and returns at once; see `wait_ready`."""
        for namespace in NAMESPACES:
            if cluster.find(f"/api/v1/namespaces/{namespace}") is None:
                cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
            _wait(_has_account(cluster, namespace), f"the default account of namespace {namespace}")
        for workload in self.workloads:
            cluster.create(workload.path.rpartition("/")[0], _manifest(workload))
            for budget in workload.budgets:
                path = f"/apis/policy/v1/namespaces/{workload.namespace}/poddisruptionbudgets"
                cluster.create(path, _budget_manifest(workload, budget))
        if self.obstacles:
            spec = {"terminationGracePeriodSeconds": 1, "containers": [_CONTAINER], "affinity": _APART}
            body = {"metadata": {"name": DEBUG_POD, "labels": {"app": DEBUG_POD, **OBSTACLE}}, "spec": spec}
            cluster.create(f"/api/v1/namespaces/{DEBUG_NAMESPACE}/pods", body)

    def wait_ready(self, cluster: Cluster, seconds: float = READY_SECONDS) -> None:
        """Returns when every pod is Ready and every budget has counted its pods; else fails and says what is missing."""
        _wait(
            lambda: "; ".join([*self._missing_pods(cluster), *self._late_budgets(cluster)]),
            "the scenario",
            seconds,
        )

    def free_nodes(self, cluster: Cluster) -> list[str]:
        """Those on which no obstacle stands."""
        pods = cluster.get("/api/v1/pods?labelSelector=obstacle%3Dyes")["items"]
        taken = {pod["spec"].get("nodeName") for pod in pods}
        names = [node["metadata"]["name"] for node in cluster.get("/api/v1/nodes")["items"]]
        return sorted(name for name in names if name not in taken)

    def free_checkout(self, cluster: Cluster) -> None:
        """Gives `web/checkout` a second replica, so that its budget allows one disruption."""
        cluster.patch(f"{CHECKOUT.path}/scale", {"spec": {"replicas": 2}})
        path = "/apis/policy/v1/namespaces/web/poddisruptionbudgets/checkout"
        _wait(
            lambda: "" if cluster.get(path)["status"]["disruptionsAllowed"] == 1 else "no disruption allowed",
            "web/checkout",
        )

    def drop_second_budget(self, cluster: Cluster) -> None:
        """Leaves `shop/cart` with one budget, so that its pods can be evicted."""
        path = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"
        cluster.delete(f"{path}/whole-shop-front")
        # Of several budgets on a pod the controller counts for one only; a change makes it count for this one.
        cluster.patch(f"{path}/cart", {"metadata": {"annotations": {"touched": "yes"}}})
        _wait(lambda: "" if _is_counted(cluster.get(f"{path}/cart")) else "not counted", "budget shop/cart")

    def drop_debug(self, cluster: Cluster) -> None:
        """Deletes the pod without a controller."""
        cluster.delete(f"/api/v1/namespaces/{DEBUG_NAMESPACE}/pods/{DEBUG_POD}")

    def _missing_pods(self, cluster: Cluster) -> list[str]:
        ready = Counter(
            (pod["metadata"]["namespace"], pod["metadata"]["labels"].get("app"))
            for pod in cluster.get("/api/v1/pods")["items"]
            if is_ready(pod)
        )
        wanted = {(w.namespace, w.name): self._replicas(cluster, w) for w in self.workloads}
        if self.obstacles:
            wanted[DEBUG_NAMESPACE, DEBUG_POD] = 1
        return [
            f"{namespace}/{name} has {ready[namespace, name]} of {count} pods ready"
            for (namespace, name), count in wanted.items()
            if ready[namespace, name] != count
        ]

    def _late_budgets(self, cluster: Cluster) -> list[str]:
        """Budgets whose controller has not counted all of their pods as healthy yet.

        Of several budgets on one pod the real controller keeps only one up to date (seen on 1.36).
        """
        single = [w for w in self.workloads if len(w.budgets) == 1]
        wanted = {(workload.namespace, workload.budgets[0].name) for workload in single}
        counted = {
            (budget["metadata"]["namespace"], budget["metadata"]["name"])
            for budget in cluster.get("/apis/policy/v1/poddisruptionbudgets")["items"]
            if _is_counted(budget)
        }
        return [
            f"budget {namespace}/{name} is not up to date" for namespace, name in sorted(wanted - counted)
        ]

    def _replicas(self, cluster: Cluster, workload: Workload) -> int:
        if workload.kind != "DaemonSet":
            return workload.replicas
        # What the DaemonSet's own controller counted; 0 until it has looked.
        return int(cluster.get(workload.path).get("status", {}).get("desiredNumberScheduled", 0)) or -1


def scenario(workloads: int = 40, *, obstacles: bool = True) -> Scenario:
    """`workloads` workloads (at least 5): the special ones first, then a mixture.

    Without `obstacles` nothing holds a rollout for ever: no zero budget, no second budget, no bare pod.
    """
    special = [POSTGRES, AGENT, *([CHECKOUT, CART] if obstacles else [])]
    assert workloads > len(special), "a scenario needs room for its special workloads"
    fillers = [_filler(index) for index in range(workloads - len(special))]
    return Scenario((*special, *fillers), obstacles)


def is_ready(pod: Json) -> bool:
    """Ready and not on its way out."""
    conditions = pod.get("status", {}).get("conditions", [])
    leaving = "deletionTimestamp" in pod["metadata"]
    return not leaving and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _filler(index: int) -> Workload:
    kind, namespace, replicas, budget, pool = _FILLERS[index % len(_FILLERS)]
    name = f"{namespace}-{index + 1:02d}"
    budgets = () if budget is None else (Budget(name, budget.min_available, budget.max_unavailable),)
    return Workload(kind, namespace, name, replicas, budgets, pool=pool)


_CONTAINER: Json = {
    "name": "main",
    "image": "registry.invalid/main:1",
    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
}


_APART: Json = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {
                "labelSelector": {"matchLabels": OBSTACLE},
                "namespaces": list(NAMESPACES),
                "topologyKey": "kubernetes.io/hostname",
            }
        ]
    }
}


def _manifest(workload: Workload) -> Json:
    labels = {"app": workload.name, **workload.labels}
    pod: Json = {"terminationGracePeriodSeconds": 5, "containers": [_CONTAINER]}
    if "obstacle" in workload.labels:
        pod["affinity"] = _APART
    if workload.pool is not None:
        pod["nodeSelector"] = {POOL_LABEL: workload.pool}
    spec: Json = {
        "selector": {"matchLabels": {"app": workload.name}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if workload.kind != "DaemonSet":
        spec["replicas"] = workload.replicas
    if workload.kind == "StatefulSet":
        spec |= {"serviceName": workload.name, "podManagementPolicy": "Parallel"}
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name, "labels": labels},
        "spec": spec,
    }


def _budget_manifest(workload: Workload, budget: Budget) -> Json:
    spec: Json = {"selector": {"matchLabels": budget.selector or {"app": workload.name}}}
    if budget.min_available is not None:
        spec["minAvailable"] = budget.min_available
    if budget.max_unavailable is not None:
        spec["maxUnavailable"] = budget.max_unavailable
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": budget.name},
        "spec": spec,
    }


def _is_counted(budget: Json) -> bool:
    status: dict[str, Any] = budget.get("status", {})
    if status.get("observedGeneration") != budget["metadata"]["generation"]:
        return False
    return bool(status["currentHealthy"] == status["expectedPods"] > 0)


def _has_account(cluster: Cluster, namespace: str) -> Callable[[], str]:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    return lambda: "" if cluster.find(path) else "not made yet"


def _wait(missing: Callable[[], str], what: str, seconds: float = READY_SECONDS) -> None:
    """Returns when `missing` has nothing to say."""
    deadline = time.monotonic() + seconds
    while arguments := missing():
        assert time.monotonic() < deadline, f"{what} is not there after {seconds:.0f} s: {arguments}"
        time.sleep(0.1)  # noqa: TID251 - between two looks at the condition
