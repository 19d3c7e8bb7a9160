"""From the API server's objects to core's. Strings that many objects share are kept once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from sys import intern
from typing import Literal, TypeVar, cast

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.daemonset import DaemonTemplate
from fleet.core.objects.machine import Ask, LogAsk, LogTold, Machine, Request, Units, Work
from fleet.core.objects.node import Node, Taint, Toleration
from fleet.core.objects.pod import Owner, Pod, PodPhase, is_word
from fleet.core.objects.workload import Workload
from fleet.core.releases.release import Release
from fleet.kube.objects import wire
from fleet.kube.objects.affinity import neighbours, node_terms
from fleet.kube.objects.errors import one_line
from fleet.kube.objects.maintenance import locks
from fleet.kube.objects.pending import claims, doubts, own_claims, stuck
from fleet.kube.objects.requests import host_ports, requests, resources

_K = TypeVar("_K")
_V = TypeVar("_V")

KEPT_ANNOTATIONS = (
    "fleet.internal/",
    "karpenter.sh/",
    "cluster-autoscaler.kubernetes.io/",
    "cluster.x-k8s.io/",
    "machineconfiguration.openshift.io/",
    "flatcar-linux-update.v1.flatcar-linux.net/",
    "weave.works/kured",
    "autoscaling.cast.ai/",
    "node.machine.sapcloud.io/",
    "harvesterhci.io/maintain",
)
"""Of nodes: ours, and those of others who drain, reboot or delete nodes."""

CARRIERS = ("StatefulSet", "Deployment", "DaemonSet")
"""Workloads that may declare a quorum group. Deployments hand their annotations down to their ReplicaSets."""

DISRUPTED = "DisruptionTarget"
"""The condition of a pod that was evicted."""

API_SERVER = ("component", "kube-apiserver")
"""Label of the static pods of kubeadm and alike."""

GRACE_SECONDS = 30
"""The API server's default."""

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of static pods."""
ETCD = "kubeadm.kubernetes.io/etcd.advertise-client-urls"
WORDS = 200
"""Characters of what a driver says of its volume."""

_NODE = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,252}")
"""A node's name, a little wider than a DNS subdomain. It is looked up as a host's, and names folders and files."""
_PERCENT = re.compile(r"[0-9]{1,9}%")
_READY: dict[str, bool | None] = {"True": True, "False": False}
_PHASES = ("Pending", "Running", "Succeeded", "Failed")
_SHARED_LABELS: dict[frozenset[tuple[str, str]], dict[str, str]] = {}
_SHARED_OWNERS: dict[tuple[str, str], Owner] = {}
_SHARED_TOLERATIONS: dict[tuple[wire.TolerationWire, ...], tuple[Toleration, ...]] = {}
_MOST_SHARED = 100_000


def node(found: wire.NodeWire) -> Node:
    """Raises ValueError for a name that no API server takes for a node."""
    meta, info = found.metadata, found.status.node_info
    if not _NODE.fullmatch(meta.name):
        raise ValueError("a node has a DNS subdomain as its name - at `$.metadata.name`")
    ready = _condition(found.status.conditions, "Ready")
    annotations = meta.annotations or {}
    return Node(
        name=intern(meta.name),
        uid=meta.uid,
        labels=meta.labels or {},
        annotations={k: v for k, v in annotations.items() if k.startswith(KEPT_ANNOTATIONS)},
        taints=tuple(Taint(each.key, each.effect, each.value) for each in found.spec.taints or ()),
        unschedulable=found.spec.unschedulable,
        ready=_READY.get(ready.status) if ready is not None else None,
        boot_id=info.boot_id,
        machine_id=info.machine_id,
        system_uuid=info.system_uuid,
        provider_id=found.spec.provider_id,
        os_image=intern(info.os_image),
        kernel=intern(info.kernel_version),
        kubelet=intern(info.kubelet_version),
        allocatable=resources(found.status.allocatable),
        resource_version=meta.resource_version,
        deleting=meta.deletion_timestamp is not None,
        addresses=tuple(
            each.address for each in found.status.addresses or () if each.address not in ("", meta.name)
        ),
    )


def _moment(text: str | None) -> datetime | None:
    """Returns the moment that an API server wrote; None for what is no such moment."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def pod(found: wire.PodWire) -> Pod:
    meta, spec = found.metadata, found.spec
    ready = _condition(found.status.conditions, "Ready")
    volumes, annotations = spec.volumes or (), meta.annotations or _NONE
    around = neighbours(spec.affinity, spec.topology_spread_constraints, meta.namespace, meta.labels or {})
    grace = meta.deletion_grace_period_seconds
    if grace is None:
        grace = spec.termination_grace_period_seconds
    is_ready = ready is not None and ready.status == "True"
    return Pod(
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        node=intern(spec.node_name),
        labels=_shared(meta.labels),
        phase=_phase(found.status.phase),
        ready=is_ready,
        unready_since=None if is_ready else _unready_since(meta, ready),
        deleting=meta.deletion_timestamp is not None,
        owner=_owner(meta),
        mirror=MIRROR in annotations,
        etcd=annotations.get(ETCD, ""),
        api_server=api_server(meta, spec),
        local_data=any(each.empty_dir is not None and each.empty_dir.medium != "Memory" for each in volumes),
        host_path=any(each.host_path is not None for each in volumes),
        finalizers=bool(meta.finalizers),
        gone_by=_moment(meta.deletion_timestamp),
        finalizer_names=meta.finalizers or (),
        grace_seconds=GRACE_SECONDS if grace is None else grace,
        requests=requests(spec),
        tolerations=_tolerations(spec.tolerations),
        node_selector=_shared(spec.node_selector),
        affinity=node_terms(spec.affinity),
        apart=around.apart,
        resource_version=meta.resource_version,
        annotations=_words(annotations) if annotations else _NONE,
        near=around.near,
        ports=host_ports(spec),
        claims=claims(volumes),
        own_claims=own_claims(meta.name, volumes),
        priority=spec.priority or 0,
        preempts=spec.preemption_policy != "Never",
        stuck=stuck(found),
        doubts=(*around.doubts, *doubts(found)),
    )


def budget(found: wire.BudgetWire) -> Budget:
    meta, spec, status = found.metadata, found.spec, found.status
    allowed = _condition(status.conditions, "DisruptionAllowed")
    failed = allowed is not None and allowed.reason == "SyncFailed"
    policy = spec.unhealthy_pod_eviction_policy
    return Budget(
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        selector=spec.selector,
        min_available=_share(spec.min_available, "minAvailable"),
        max_unavailable=_share(spec.max_unavailable, "maxUnavailable"),
        unhealthy_policy="AlwaysAllow" if policy == "AlwaysAllow" else "IfHealthyBudget",
        generation=meta.generation,
        observed_generation=status.observed_generation,
        disruptions_allowed=status.disruptions_allowed,
        current_healthy=status.current_healthy,
        desired_healthy=status.desired_healthy,
        expected_pods=status.expected_pods,
        disrupted=frozenset(status.disrupted_pods or ()),
        failure=one_line(allowed.message or allowed.reason, WORDS) if failed and allowed is not None else "",
        resource_version=meta.resource_version,
    )


def workload(found: wire.WorkloadWire, kind: str) -> Workload:
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
        owner=_owner(meta),
        min_ready_seconds=spec.min_ready_seconds,
        quorum=annotation,
        selector=spec.selector if annotation is not None else None,
        locks=locks(meta.annotations.lock) if kind == "DaemonSet" and meta.annotations is not None else (),
        resource_version=meta.resource_version,
        fails_by_eviction=kind == "Job" and _fails_by_eviction(spec, status.failed or 0),
        daemon=_daemon(spec),
    )


def _fails_by_eviction(spec: wire.WorkloadSpec, failed: int) -> bool:
    """A Job that has no retry left, and does not leave evicted pods out of what it counts as failures.

    Source: kubernetes, Job's podFailurePolicy: an evicted pod has the condition DisruptionTarget, the first rule that
    matches a pod counts, and FailIndex and FailJob fail at once.
    """
    used_up = spec.backoff_limit is not None and failed >= spec.backoff_limit
    last = used_up or spec.backoff_limit_per_index == 0
    policy = spec.pod_failure_policy
    for rule in (policy.rules if policy is not None else None) or ():
        if any(
            each.type == DISRUPTED and each.status in (None, "True") for each in rule.on_pod_conditions or ()
        ):
            return rule.action in ("FailJob", "FailIndex") or (rule.action == "Count" and last)
    return last


def machine(found: wire.MachineWire) -> Machine:
    meta, status = found.metadata, found.status or wire.MachineStatus()
    return Machine(
        name=intern(meta.name),
        uid=meta.uid,
        request=_request(found.spec),
        work=_work(status.work),
        os=intern(status.os),
        booted=_release(status.booted),
        staged=_release(status.staged),
        rollback=_release(status.rollback),
        boot_id=status.boot_id,
        kernel=intern(status.kernel),
        kernel_arguments=intern(status.kernel_arguments),
        layered=tuple(intern(name) for name in status.layered or ()),
        units=_units(status.units),
        reported=found.status is not None,
        resource_version=meta.resource_version,
    )


def log_ask(found: wire.MachineWire) -> LogAsk | None:
    asked = None if found.spec is None else found.spec.log
    return LogAsk(asked.token, asked.unit, asked.lines) if asked is not None and asked.token else None


def log_told(found: wire.MachineWire) -> LogTold | None:
    told = None if found.status is None else found.status.log
    return LogTold(told.token, told.text, told.error) if told is not None else None


def _unready_since(meta: wire.PodMeta, ready: wire.Condition | None) -> datetime | None:
    """A pod that was never Ready, and has no such condition, is not Ready since it was made."""
    found = _moment(ready.last_transition_time) if ready is not None else None
    return found or _moment(meta.creation_timestamp)


def attachment(found: wire.AttachmentWire) -> Attachment:
    meta, spec, status = found.metadata, found.spec, found.status
    error = status.detach_error.message if status.detach_error is not None else ""
    return Attachment(
        name=meta.name,
        uid=meta.uid,
        node=intern(spec.node_name),
        volume=spec.source.persistent_volume_name or "",
        attacher=intern(spec.attacher),
        attached=status.attached,
        deleting=meta.deletion_timestamp is not None,
        error=one_line(error, WORDS),
        resource_version=meta.resource_version,
    )


def _daemon(spec: wire.WorkloadSpec) -> DaemonTemplate | None:
    if not isinstance(spec, wire.DaemonSetSpec) or spec.template is None:
        return None
    pods = spec.template.spec
    return DaemonTemplate(
        node_name=pods.node_name,
        node_selector=_shared(pods.node_selector),
        affinity=node_terms(pods.affinity),
        tolerations=_tolerations(pods.tolerations),
        host_network=pods.host_network,
    )


def _phase(phase: str) -> PodPhase:
    return cast(PodPhase, intern(phase)) if phase in _PHASES else "Unknown"


def _condition(conditions: Iterable[wire.Condition] | None, kind: str) -> wire.Condition | None:
    return next((each for each in conditions or () if each.type == kind), None)


def _owner(meta: wire.Meta) -> Owner | None:
    """The owner that controls the object."""
    for each in meta.owner_references or ():
        if each.controller:
            _bound(_SHARED_OWNERS)
            return _SHARED_OWNERS.setdefault(
                (each.uid, each.name), Owner(intern(each.kind), intern(each.name), each.uid)
            )
    return None


def _shared(labels: dict[str, str] | None) -> dict[str, str]:
    """One dict for all that say the same. Nobody changes them."""
    if not labels:
        return _NONE
    _bound(_SHARED_LABELS)
    return _SHARED_LABELS.setdefault(frozenset(labels.items()), labels)


_NONE: dict[str, str] = {}


def _words(annotations: dict[str, str]) -> dict[str, str]:
    return _shared({key: value for key, value in annotations.items() if is_word(value)})


def _tolerations(found: tuple[wire.TolerationWire, ...] | None) -> tuple[Toleration, ...]:
    if not found:
        return ()
    known = _SHARED_TOLERATIONS.get(found)
    if known is None:
        _bound(_SHARED_TOLERATIONS)
        known = tuple(Toleration(each.key, each.operator, each.value, each.effect) for each in found)
        _SHARED_TOLERATIONS[found] = known
    return known


def _bound(shared: dict[_K, _V]) -> None:
    """Forgetting costs memory, never truth."""
    if len(shared) >= _MOST_SHARED:
        shared.clear()


def _share(found: int | str | None, key: str) -> int | str | None:
    """As the API server takes it. Raises ValueError with the key. Source: kubernetes, apis/policy/validation."""
    if found is None or (_PERCENT.fullmatch(found) if isinstance(found, str) else found >= 0):
        return found
    raise ValueError(f"{key}: expected a number or a percentage such as 50%, found {str(found)[:40]!r}")


def api_server(meta: wire.PodMeta, spec: wire.PodSpec) -> str:
    """Version of the API server in the pod, as the tag of its image says; empty: it is none."""
    key, value = API_SERVER
    if meta.namespace != "kube-system" or not spec.containers or (meta.labels or _NONE).get(key) != value:
        return ""
    _, colon, tag = spec.containers[0].image.partition("@")[0].rpartition(":")
    return intern(tag) if colon and "/" not in tag else ""


def _request(spec: wire.MachineSpec | None) -> Request | None:
    if spec is None or spec.release is None or spec.action not in {str(ask) for ask in Ask}:
        return None
    release = _release(spec.release)
    return Request(Ask(spec.action), spec.token, release) if release is not None else None


def _work(found: wire.WorkWire | None) -> Work | None:
    if found is None or found.state not in ("working", "done", "failed"):
        return None
    state = cast(Literal["working", "done", "failed"], found.state)
    return Work(
        found.token,
        state,
        found.message,
        found.percent,
        found.boot_id,
        found.earlier or (),
        _units(found.units),
        found.log,
    )


def _units(found: wire.UnitsWire | None) -> Units | None:
    if found is None or not found.state:
        return None
    return Units(intern(found.state), tuple(intern(name) for name in found.failed or ()))


def _release(found: wire.ReleaseWire | None) -> Release | None:
    if found is None or not (found.version or found.digest):
        return None
    return Release(
        intern(found.version),
        intern(found.digest),
        intern(found.kernel),
        reference_digest=intern(found.reference_digest),
    )
