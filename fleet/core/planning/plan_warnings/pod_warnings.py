"""Warnings about the pods that a plan moves: their controllers, finalizers, roles and volumes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from fleet.core.cluster import owners
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.planning.plan import PlanWarning
from fleet.core.policy.evictable import finalizers, stuck
from fleet.core.policy.policy import Pool

BUILT_IN = {
    "ReplicaSet": "replicasets",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "ReplicationController": "replicationcontrollers",
    "Node": "nodes",
}
"""The kinds of controllers that Kubernetes itself runs, with their resources."""

JOB_TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer on every pod of a Job. The Job controller removes it once the controller has counted the pod."""

NAMED = 3
"""The number of names that a warning contains; there may be thousands."""


class MovedPod(NamedTuple):
    """A pod that a plan moves."""

    pod: Pod
    pool: Pool
    node: str
    budgets: tuple[PodRef, ...]


def custom_resources(cluster: str, view: ClusterView, drained: Sequence[MovedPod]) -> Iterator[PlanWarning]:
    """Yields a warning about the pods of each kind of custom resource. Only its operator knows what becomes of an
    evicted pod."""
    kinds: dict[str, dict[str, None]] = {}
    for moved_pod in drained:
        owner = moved_pod.pod.owner
        if owner is not None and owner.kind not in BUILT_IN:
            kinds.setdefault(owner.kind, {})[f"{moved_pod.pod.namespace}/{owner.name}"] = None
    for kind, names in kinds.items():
        owner_text = "another pod" if kind == "Pod" else f"a custom resource ({kind})"
        message = (
            f"pods of {first_names(names)} belong to {owner_text}: whether its operator makes an evicted pod anew, when and "
            "where, is not known; the plan takes it to come back at once, as it was"
        )
        remedy = "see what its operator does when a node is drained; a drain rule can hold its pods"
        yield PlanWarning("operator", cluster, kind, message, remedy)


def finalizer_warnings(cluster: str, drained: Sequence[MovedPod], start: datetime) -> Iterator[PlanWarning]:
    """Yields a warning about pods that are gone only after the owners of their finalizers have removed these."""
    by_finalizers: dict[str, dict[str, None]] = {}
    for moved_pod in drained:
        if not moved_pod.pod.finalizers or moved_pod.pod.finalizer_names == (JOB_TRACKING,):
            continue
        if stuck(moved_pod.pod, start) is None:
            by_finalizers.setdefault(finalizers(moved_pod.pod), {})[str(moved_pod.pod.ref)] = None
    for names, refs in by_finalizers.items():
        message = (
            f"{pods_text(len(refs))} with finalizer {names}: {first_names(refs)}. Such a pod is gone only once what "
            "owns the finalizer has removed it; the plan takes it to do so as soon as the pod has stopped"
        )
        remedy = f"see that what owns {names} runs; a drain that waits for it for drain.timeout fails"
        yield PlanWarning("finalizers", cluster, first_names(refs), message, remedy)


def moving_roles(cluster: str, view: ClusterView, drained: Sequence[MovedPod]) -> Iterator[PlanWarning]:
    """Yields a warning about budgets that select by a label which an operator moves from pod to pod."""
    by_workload: dict[str, tuple[str, dict[str, None]]] = {}
    for moved_pod in drained:
        for ref in moved_pod.budgets:
            label = view.roles.selecting(view.budgets[ref], moved_pod.pod)
            if label and not view.standbys.lacking(moved_pod.pod):
                by_workload.setdefault(owners.workload_of(moved_pod.pod, view.workloads), (label, {}))[1][
                    str(ref)
                ] = None
    for workload, (label, refs) in by_workload.items():
        message = (
            f"its pods differ in {label}, by which {first_names(refs)} select{'s' * (len(refs) == 1)} them: an operator may "
            "move it to another pod, and to which is not known. What the plan says of nodes with these pods may come "
            "out otherwise"
        )
        remedy = (
            f"switch {workload} over to a pod whose node is done; nodes whose budget refuses wait meanwhile"
        )
        yield PlanWarning("role-moves", cluster, workload, message, remedy)


def volume_limits(cluster: str, drained: Sequence[MovedPod]) -> Iterator[PlanWarning]:
    """Yields a note that the number of volumes which a node can attach is not checked. Source: kube-scheduler, plugin
    NodeVolumeLimits."""
    moved = [str(moved_pod.pod.ref) for moved_pod in drained if moved_pod.pod.mounted]
    if moved:
        message = (
            f"{pods_text(len(moved))} with persistent volumes move{'s' * (len(moved) == 1)}: {first_names(moved)}. "
            "How many volumes a node can attach (NodeVolumeLimits) is not looked at"
        )
        remedy = "compare with spec.drivers[].allocatable.count of the CSINodes if nodes are near their limit"
        yield PlanWarning("volume-limits", cluster, "volumes", message, remedy)


def pods_text(count: int) -> str:
    """Returns `1 pod` or `3 pods`."""
    return f"{count} pod{'s' * (count != 1)}"


def first_names(names: Collection[str]) -> str:
    """Returns the first `NAMED` names, and how many more there are."""
    text = ", ".join(list(names)[:NAMED])
    return f"{text} and {len(names) - NAMED} more" if len(names) > NAMED else text
