"""Counts how ready the workloads of a cluster are, to compare them with what they were before.

A workload is known by its kind, namespace and name: one that was deleted and created again is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fleet.core.cluster.owners import controller_of
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.workload import Workload

KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
"""A ReplicaSet counts only if no Deployment controls it."""


def ready_on(view: ClusterView, nodes: Iterable[str]) -> dict[str, int]:
    """Returns the number of Ready pods of every workload that has pods on these nodes, sorted by name. The pods may be
    anywhere in the cluster, as the workload's status counts them."""
    pods = (pod for node in nodes for pod in view.pod_index.on_node(node) if not pod.finished)
    names = {controller_of(pod, view.workloads) for pod in pods}
    return {name: workload.ready for name, workload in sorted(_by_name(view).items()) if name in names}


def less_ready(view: ClusterView, before: Mapping[str, int]) -> Iterator[str]:
    """Yields the workloads with fewer Ready pods than before, each with both numbers.

    A workload that is gone, and one that has been scaled down to what is Ready, are not less ready.
    """
    current = _by_name(view)
    for name, ready in before.items():
        workload = current.get(name)
        if workload is not None and workload.ready < (wanted := min(ready, workload.replicas)):
            yield f"{name}: {workload.ready} of {wanted} ready"


def _by_name(view: ClusterView) -> dict[str, Workload]:
    return {
        f"{workload.kind} {workload.ref}": workload
        for workload in view.workloads.values()
        if workload.kind in KINDS
    }
