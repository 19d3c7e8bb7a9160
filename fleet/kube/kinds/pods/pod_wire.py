"""Pods, as the API server writes them."""

from __future__ import annotations

from msgspec import Raw, field

from fleet.kube.objects.wire import NULL, ApiStruct, Condition, Meta, Quantities, TolerationWire


class PodMeta(Meta, frozen=True):
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Requirements(ApiStruct, frozen=True):
    requests: Quantities | None = None
    limits: Quantities | None = None


class Port(ApiStruct, frozen=True):
    host_port: int = 0
    host_ip: str = field(name="hostIP", default="")
    protocol: str = ""


class Container(ApiStruct, frozen=True):
    image: str = ""
    ports: tuple[Port, ...] | None = None
    resources: Requirements = Requirements()
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
    resources: Requirements | None = None
    """The requests of the pod as a whole, which count instead of those of its containers."""
    overhead: Quantities | None = None
    volumes: tuple[Volume, ...] | None = None
    tolerations: tuple[TolerationWire, ...] | None = None
    node_selector: dict[str, str] | None = None
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
