"""Decodes Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs."""

from __future__ import annotations

from sys import intern

from msgspec import Raw, Struct, field

from fleet.core.objects.daemonset import DaemonTemplate
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import QUORUM_ANNOTATION, Workload
from fleet.core.third_parties.update_parties import KURED_LOCK
from fleet.kube.kinds.maintenance import locks
from fleet.kube.kinds.pods.affinity import node_terms
from fleet.kube.objects.sharing import Tolerations, owner_of, shared
from fleet.kube.objects.wire import NULL, ApiStruct, Meta


class WorkloadAnnotations(Struct, frozen=True, gc=False):
    quorum: str | None = field(name=QUORUM_ANNOTATION, default=None)
    lock: str | None = field(name=KURED_LOCK, default=None)


class WorkloadMeta(Meta, frozen=True):
    annotations: WorkloadAnnotations | None = None


class PodCondition(ApiStruct, frozen=True):
    type: str = ""
    status: str | None = None


class FailureRule(ApiStruct, frozen=True):
    action: str = ""
    on_pod_conditions: tuple[PodCondition, ...] | None = None


class FailurePolicy(ApiStruct, frozen=True):
    rules: tuple[FailureRule, ...] | None = None


class WorkloadSpec(ApiStruct, frozen=True):
    selector: Selector | None = None
    replicas: int | None = None
    parallelism: int | None = None
    """The parallelism of a Job."""
    min_ready_seconds: int = 0
    backoff_limit: int | None = None
    """Backoff limit of a Job; the next two fields are a Job's too."""
    backoff_limit_per_index: int | None = None
    pod_failure_policy: FailurePolicy | None = None


class DaemonPodSpec(ApiStruct, frozen=True):
    """The requirements of a pod template on its node."""

    node_name: str = ""
    node_selector: dict[str, str] | None = None
    affinity: Raw = NULL
    tolerations: Tolerations = None
    host_network: bool = False


class DaemonPod(ApiStruct, frozen=True):
    spec: DaemonPodSpec = DaemonPodSpec()


class DaemonSetSpec(WorkloadSpec, frozen=True):
    template: DaemonPod | None = None


class WorkloadStatus(ApiStruct, frozen=True):
    ready_replicas: int = 0
    number_ready: int = 0
    """How many pods of a DaemonSet are Ready."""
    desired_number_scheduled: int = 0
    ready: int | None = None
    """How many pods of a Job are Ready; the next field is a Job's too."""
    failed: int | None = None
    """How many pods have failed so far."""


class WorkloadWire(ApiStruct, frozen=True):
    metadata: WorkloadMeta = WorkloadMeta()
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class DaemonSetWire(WorkloadWire, frozen=True):
    spec: DaemonSetSpec = DaemonSetSpec()


CARRIERS = ("StatefulSet", "Deployment", "DaemonSet")
"""Workloads that may declare a quorum group. Deployments pass their annotations on to their ReplicaSets."""
DISRUPTED = "DisruptionTarget"
"""The condition of a pod that was evicted."""


def workload_of(found: WorkloadWire, kind: str) -> Workload:
    """Converts a workload of this kind."""
    meta, spec, status = found.metadata, found.spec, found.status
    replicas, ready = 1 if spec.replicas is None else spec.replicas, status.ready_replicas
    if kind == "DaemonSet":
        replicas, ready = status.desired_number_scheduled, status.number_ready
    elif kind == "Job":
        replicas, ready = 1 if spec.parallelism is None else spec.parallelism, status.ready or 0
    annotation = meta.annotations.quorum if meta.annotations is not None and kind in CARRIERS else None
    return Workload(
        kind=kind,
        namespace=intern(meta.namespace),
        name=intern(meta.name),
        uid=meta.uid,
        replicas=replicas,
        ready=ready,
        owner=owner_of(meta.owner_references),
        min_ready_seconds=spec.min_ready_seconds,
        quorum=annotation,
        selector=spec.selector if annotation is not None else None,
        locks=locks(meta.annotations.lock) if kind == "DaemonSet" and meta.annotations is not None else (),
        resource_version=meta.resource_version,
        fails_by_eviction=kind == "Job" and _fails_by_eviction(spec, status.failed or 0),
        daemon=_daemon(spec),
    )


def _fails_by_eviction(spec: WorkloadSpec, failed: int) -> bool:
    """Returns whether an eviction makes the Job fail: it has no retry left, and its rules do not ignore evicted pods.

    Source: kubernetes, Job's podFailurePolicy: an evicted pod has the condition DisruptionTarget, the first rule that
    matches a pod counts, and FailIndex and FailJob fail at once.
    """
    used_up = spec.backoff_limit is not None and failed >= spec.backoff_limit
    last = used_up or spec.backoff_limit_per_index == 0
    policy = spec.pod_failure_policy
    for rule in (policy.rules if policy is not None else None) or ():
        if any(
            condition.type == DISRUPTED and condition.status in (None, "True")
            for condition in rule.on_pod_conditions or ()
        ):
            return rule.action in ("FailJob", "FailIndex") or (rule.action == "Count" and last)
    return last


def _daemon(spec: WorkloadSpec) -> DaemonTemplate | None:
    if not isinstance(spec, DaemonSetSpec) or spec.template is None:
        return None
    pods = spec.template.spec
    return DaemonTemplate(
        node_name=pods.node_name,
        node_selector=shared(pods.node_selector),
        affinity=node_terms(pods.affinity),
        tolerations=pods.tolerations or (),
        host_network=pods.host_network,
    )
