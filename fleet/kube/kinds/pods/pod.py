"""Converts Pods to objects of the core; `pod_wire` has Pods as the API server writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from sys import intern
from typing import NamedTuple

from fleet.core.objects.pod import Pod, PodPhase, Stuck, is_word
from fleet.core.records.doubt import Doubt, DoubtKind
from fleet.kube.kinds.pods.affinity import neighbours, node_terms
from fleet.kube.kinds.pods.pod_wire import PodMeta, PodSpec, PodWire, Volume
from fleet.kube.kinds.pods.requests import host_ports, requests
from fleet.kube.objects.sharing import (
    NOTHING,
    condition,
    labels_in,
    moment,
    owner_in,
    shared,
    tolerations_in,
)
from fleet.kube.objects.wire import NULL, Condition

SCHEDULER = "default-scheduler"
API_SERVER = ("component", "kube-apiserver")
"""A label of API servers in static pods, as kubeadm and similar installers set it."""
GRACE_SECONDS = 30
"""Seconds of the termination grace period where a pod has none: the API server's default."""
MIRROR = "kubernetes.io/config.mirror"
"""The annotation that marks a static pod's mirror pod."""
ETCD = "kubeadm.kubernetes.io/etcd.advertise-client-urls"
_PHASES: dict[str, PodPhase] = {
    "Pending": "Pending",
    "Running": "Running",
    "Succeeded": "Succeeded",
    "Failed": "Failed",
}


def pod_of(found: PodWire) -> Pod:
    """Converts a Pod. Raises ValueError for an invalid quantity, msgspec.ValidationError for a part of another type."""
    meta, spec = found.metadata, found.spec
    ready = condition(found.status.conditions, "Ready")
    annotations, labels = meta.annotations or NOTHING, labels_in(meta.labels)
    around = neighbours(spec.affinity, spec.topology_spread_constraints, meta.namespace, labels)
    mounted = volumes_of(meta.name, spec.volumes) if spec.volumes else NO_VOLUMES
    grace = meta.deletion_grace_period_seconds
    if grace is None:
        grace = spec.termination_grace_period_seconds
    is_ready = ready is not None and ready.status == "True"
    return Pod(
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        node=intern(spec.node_name),
        labels=labels,
        phase=_PHASES.get(found.status.phase, "Unknown"),
        ready=is_ready,
        unready_since=None if is_ready else _unready_since(meta, ready),
        deleting=meta.deletion_timestamp is not None,
        owner=owner_in(meta.owner_references),
        mirror=MIRROR in annotations,
        etcd=annotations.get(ETCD, ""),
        api_server=api_server(meta, spec),
        local_data=mounted.local_data,
        host_path=mounted.host_path,
        finalizers=bool(meta.finalizers),
        gone_by=moment(meta.deletion_timestamp),
        finalizer_names=meta.finalizers or (),
        grace_seconds=GRACE_SECONDS if grace is None else grace,
        requests=requests(spec),
        tolerations=tolerations_in(spec.tolerations),
        node_selector=labels_in(spec.node_selector),
        affinity=node_terms(spec.affinity),
        apart=around.apart,
        resource_version=meta.resource_version,
        annotations=_short_annotations(annotations) if annotations else NOTHING,
        near=around.near,
        ports=host_ports(spec),
        claims=mounted.claims,
        own_claims=mounted.own_claims,
        priority=spec.priority or 0,
        preempts=spec.preemption_policy != "Never",
        stuck=stuck(found),
        doubts=around.doubts + doubts(found) + mounted.doubts,
    )


def _unready_since(meta: PodMeta, ready: Condition | None) -> datetime | None:
    """Returns since when a pod is not Ready. A pod that was never Ready, and has no such condition, counts as not
    Ready since its creation."""
    found = moment(ready.last_transition_time) if ready is not None else None
    return found or moment(meta.creation_timestamp)


def _short_annotations(annotations: dict[str, str]) -> dict[str, str]:
    return shared({key: value for key, value in annotations.items() if is_word(value)})


def api_server(meta: PodMeta, spec: PodSpec) -> str:
    """Returns the version of the API server in the pod, by the tag of its image; empty: the pod is no API server."""
    key, value = API_SERVER
    if meta.namespace != "kube-system" or not spec.containers or labels_in(meta.labels).get(key) != value:
        return ""
    _, colon, tag = spec.containers[0].image.partition("@")[0].rpartition(":")
    return intern(tag) if colon and "/" not in tag else ""


def stuck(found: PodWire) -> Stuck:
    """Returns why the pod is on no node: a scheduling gate, or no node that fits; empty: no known reason."""
    if found.spec.node_name:
        return ""
    if found.spec.scheduling_gates:
        return "gated"
    conditions = found.status.conditions or ()
    scheduled = next((condition for condition in conditions if condition.type == "PodScheduled"), None)
    if scheduled is None or scheduled.status != "False":
        return ""
    if scheduled.reason == "SchedulingGated":
        return "gated"
    return "unschedulable" if scheduled.reason == "Unschedulable" else ""


class PodVolumes(NamedTuple):
    """The facts of a pod that its volumes give."""

    local_data: bool = False
    host_path: bool = False
    claims: tuple[str, ...] = ()
    own_claims: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


NO_VOLUMES = PodVolumes()


def volumes_of(pod: str, volumes: Iterable[Volume]) -> PodVolumes:
    """Returns the facts that the pod's volumes give. The claims of ephemeral volumes are the pod's own.

    Source of their names: kubernetes, component-helpers/storage/ephemeral.
    """
    local_data = host_path = False
    claims: list[str] = []
    own_claims: list[str] = []
    doubts: list[Doubt] = []
    for volume in volumes:
        if volume.empty_dir is not None:
            local_data = local_data or volume.empty_dir.medium != "Memory"
        if volume.host_path is not None:
            host_path = True
        if volume.persistent_volume_claim is not None:
            claims.append(intern(volume.persistent_volume_claim.claim_name))
        if volume.ephemeral is not None:
            own_claims.append(f"{pod}-{volume.name}")
            doubts.append(Doubt(DoubtKind.VOLUME_MADE, intern(volume.name)))
    return PodVolumes(local_data, host_path, tuple(claims), tuple(own_claims), tuple(doubts))


def doubts(found: PodWire) -> tuple[Doubt, ...]:
    """Returns the conditions that fleet cannot judge and that affect where the pod can run, except those about its
    neighbours and its volumes."""
    spec, doubts = found.spec, []
    if spec.scheduler_name not in ("", SCHEDULER):
        doubts.append(Doubt(DoubtKind.SCHEDULER, intern(spec.scheduler_name)))
    if spec.resource_claims:
        doubts += [Doubt(DoubtKind.RESOURCE_CLAIM, intern(claim.name)) for claim in spec.resource_claims]
    if found.status.extended_resource_claim_status != NULL:
        doubts.append(Doubt(DoubtKind.RESOURCE_CLAIM, "of an extended resource"))
    if spec.scheduling_group is not None:
        doubts.append(Doubt(DoubtKind.GANG, spec.scheduling_group.pod_group_name))
    return tuple(doubts)
