"""Brings a cluster back to what it was, so that tests can share one: starting a control plane takes seconds each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.rest import Cluster
from tests.cluster.scenario import NAMESPACES

SECONDS = 120.0

_OURS_TO_KEEP = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
_NAMESPACED = (
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/api/v1/namespaces/{}/pods",
)
_REST = (
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/serviceaccounts",
    "/api/v1/namespaces/{}/events",
    "/apis/apps/v1/namespaces/{}/controllerrevisions",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
)
"""What else there may be in a namespace of a test."""
_NAMESPACES = "/api/v1/namespaces"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_CLUSTER_WIDE = (
    # Webhooks and policies first: they could refuse the rest.
    f"{_ADMISSION}/validatingwebhookconfigurations",
    f"{_ADMISSION}/mutatingwebhookconfigurations",
    f"{_ADMISSION}/validatingadmissionpolicybindings",
    f"{_ADMISSION}/validatingadmissionpolicies",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/storage.k8s.io/v1/volumeattachments",
    "/api/v1/persistentvolumes",
    _NAMESPACES,
)
_NODES = "/api/v1/nodes"
_NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass(frozen=True)
class Baseline:
    """What was there before the tests, by path. Nodes are part of it only where they are fake."""

    names: dict[str, frozenset[str]]

    @staticmethod
    def of(cluster: Cluster, *, nodes: bool) -> Baseline:
        """Remembers a cluster. `nodes`: tests may add nodes, which are removed again."""
        paths = (*_CLUSTER_WIDE, *((_NODES, _NODE_LEASES) if nodes else ()))
        return Baseline({path: frozenset(_names(cluster, path)) for path in paths})

    def restore(self, cluster: Cluster) -> None:
        """Removes everything that was not there, and returns when it is gone.

        The scenario's own namespaces stay, without workloads, budgets and pods.
        """
        namespaces = set(_names(cluster, _NAMESPACES)) - set(_OURS_TO_KEEP)
        for namespace in namespaces:
            _empty(cluster, namespace)
        _wait_until_gone(lambda: [pod for name in namespaces for pod in _emptied(cluster, name)])
        for path in self.names:
            for name in self._extra(cluster, path):
                cluster.delete(f"{path}/{name}")
                if path == _NAMESPACES:
                    _release(cluster, name)
        _wait_until_gone(lambda: self._left(cluster))

    def _extra(self, cluster: Cluster, path: str) -> list[str]:
        kept = self.names[path] | set(NAMESPACES if path == _NAMESPACES else ())
        return sorted(set(_names(cluster, path)) - kept)

    def _left(self, cluster: Cluster) -> list[str]:
        # kwok may have renewed a lease after its node went; a new node of that name would wait for its end.
        for name in self._extra(cluster, _NODE_LEASES) if _NODE_LEASES in self.names else []:
            cluster.delete(f"{_NODE_LEASES}/{name}")
        return [
            f"{path.rpartition('/')[2]}/{name}" for path in self.names for name in self._extra(cluster, path)
        ]


def _empty(cluster: Cluster, namespace: str) -> None:
    for path in _NAMESPACED:
        grace = {"gracePeriodSeconds": 0} if path.endswith("/pods") else {}
        cluster.delete(path.format(namespace), propagationPolicy="Background", **grace)


def _release(cluster: Cluster, namespace: str) -> None:
    """Deletes what is left in a terminating namespace, and then the namespace, at once. The API server's own
    controller does the same and waits five seconds before."""
    for path in _REST:
        cluster.delete(path.format(namespace))
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace},
        "spec": {"finalizers": []},
    }
    status, answer = cluster.call("PUT", f"{_NAMESPACES}/{namespace}/finalize", body)
    assert status in (200, 404), answer


def _emptied(cluster: Cluster, namespace: str) -> list[str]:
    """Deletes the pods that are still there once more: a controller may have created one just before it was deleted
    itself."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    left = _names(cluster, pods)
    if left:
        cluster.delete(pods, gracePeriodSeconds=0)
    return [f"{namespace}/{name}" for name in left]


def _wait_until_gone(look: Callable[[], list[str]]) -> None:
    deadline = time.monotonic() + SECONDS
    while left := look():
        assert time.monotonic() < deadline, f"still there after {SECONDS:.0f} s: {', '.join(left)}"
        time.sleep(0.05)  # noqa: TID251 - between two looks at the condition


def _names(cluster: Cluster, path: str) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.get(path)["items"]]
