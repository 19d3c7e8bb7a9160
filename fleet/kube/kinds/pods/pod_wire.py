"""Pods, as the API server writes them.

Parts that many pods have in common stay text (`Raw`) and are decoded once for all pods with the same text: in
`fleet.kube.objects.sharing`, `requests` and `affinity`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, field, json
from msgspec.structs import replace

from fleet.kube.objects.sharing import Tolerations
from fleet.kube.objects.wire import NULL, ApiStruct, Condition, Labels, Owners, Quantities


class PodMeta(ApiStruct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: Raw = NULL
    owner_references: Raw = NULL
    finalizers: tuple[str, ...] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Requirements(ApiStruct, frozen=True):
    requests: Quantities | None = None
    limits: Quantities | None = None


Requested = Requirements | None


class Port(ApiStruct, frozen=True):
    host_port: int = 0
    host_ip: str = field(name="hostIP", default="")
    protocol: str = ""


Ports = tuple[Port, ...] | None


class Container(ApiStruct, frozen=True):
    image: str = ""
    ports: Raw = NULL
    """`Ports`."""
    resources: Raw = NULL
    """`Requested`."""
    restart_policy: str = ""


class EmptyDir(ApiStruct, frozen=True):
    medium: str = ""


class VolumeSource(ApiStruct, frozen=True):
    """The source of a volume: only its presence is read. The claim template of an ephemeral volume may have any
    annotations."""


class ClaimSource(ApiStruct, frozen=True):
    claim_name: str = ""


class Volume(ApiStruct, frozen=True):
    name: str = ""
    empty_dir: EmptyDir | None = None
    host_path: VolumeSource | None = None
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: VolumeSource | None = None


class ResourceClaim(ApiStruct, frozen=True):
    name: str = ""


class SchedulingGroup(ApiStruct, frozen=True):
    pod_group_name: str = ""


class PodSpec(ApiStruct, frozen=True):
    node_name: str = ""
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    resources: Raw = NULL
    """The requests of the pod as a whole (`Requested`), which count instead of those of its containers."""
    overhead: Raw = NULL
    """Quantities."""
    volumes: tuple[Volume, ...] | None = None
    tolerations: Raw = NULL
    node_selector: Raw = NULL
    affinity: Raw = NULL
    topology_spread_constraints: Raw = NULL
    termination_grace_period_seconds: int | None = None
    scheduling_gates: tuple[Raw, ...] | None = None
    scheduler_name: str = ""
    priority: int | None = None
    preemption_policy: str | None = None
    resource_claims: tuple[ResourceClaim, ...] | None = None
    scheduling_group: SchedulingGroup | None = None


class PodStatus(ApiStruct, frozen=True):
    phase: str = ""
    conditions: tuple[Condition, ...] | None = None
    extended_resource_claim_status: Raw = NULL
    """Present where a driver for dynamic resource allocation provides an extended resource."""


class PodWire(ApiStruct, frozen=True):
    metadata: PodMeta = PodMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


def limited(found: PodWire) -> PodWire:
    """Returns the Pod with only the fields that fleet reads in the parts that stay text; no part keeps the whole page
    in memory. Raises msgspec.ValidationError for a part that is not of its type."""
    meta, spec = found.metadata, found.spec
    return replace(
        found,
        metadata=replace(
            meta,
            labels=_limited(meta.labels, Labels),
            owner_references=_limited(meta.owner_references, Owners),
        ),
        spec=replace(
            spec,
            containers=_containers(spec.containers),
            init_containers=_containers(spec.init_containers),
            resources=_limited(spec.resources, Requested),
            overhead=_limited(spec.overhead, Quantities | None),
            tolerations=_limited(spec.tolerations, Tolerations),
            node_selector=_limited(spec.node_selector, Labels),
        ),
    )


def _containers(containers: tuple[Container, ...] | None) -> tuple[Container, ...] | None:
    return containers and tuple(
        replace(
            container,
            ports=_limited(container.ports, Ports),
            resources=_limited(container.resources, Requested),
        )
        for container in containers
    )


def _limited(text: Raw, kind: Any) -> Raw:
    return Raw(json.encode(json.decode(text, type=kind)))
