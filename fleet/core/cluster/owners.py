"""Finds the owners of a pod: its controller, and its workload as users know it.

`workloads` are those of the pod's cluster, by uid.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.workload import Workload

KEEP_PODS = frozenset(
    {"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController", "CronJob", "DaemonSet"}
)
"""Kinds of controllers that replace a pod that is gone, and keep their own name."""


def workload_of(pod: Pod, workloads: Mapping[str, Workload]) -> str:
    """Returns namespace and name of the pod's workload as users know it: the Deployment in place of its ReplicaSet."""
    owner = top_owner(pod, workloads)
    return f"{pod.namespace}/{owner.name}" if owner is not None else str(pod.ref)


def controller_of(pod: Pod, workloads: Mapping[str, Workload]) -> str:
    """Returns kind, namespace and name of the pod's controller: the Deployment in place of its ReplicaSet."""
    return name_with(top_owner(pod, workloads), pod)


def name_with(owner: Owner | None, pod: Pod) -> str:
    """Returns kind, namespace and name of a pod's top owner, or of the pod itself where it has none."""
    return f"{owner.kind} {pod.namespace}/{owner.name}" if owner is not None else f"Pod {pod.ref}"


def is_one_off(owner: Owner | None) -> bool:
    """Returns whether no known kind of controller keeps the pods of this top owner running. What has created such a pod
    may create another, under another name."""
    return owner is None or owner.kind not in KEEP_PODS


def top_owner(pod: Pod, workloads: Mapping[str, Workload]) -> Owner | None:
    """Returns the owner of the pod's owner where there is one and it is known, and else the pod's owner."""
    if pod.owner is None:
        return None
    workload = workloads.get(pod.owner.uid)
    return workload.owner if workload is not None and workload.owner is not None else pod.owner
