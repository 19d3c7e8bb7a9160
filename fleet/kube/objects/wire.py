"""Objects as the API server writes them: only the fields that fleet needs, all of which may be missing.

Lists and maps may be null, since Go writes an empty one so where it is not left out.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from msgspec import Raw, Struct, field

from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import QUORUM_ANNOTATION
from fleet.core.third_parties.parties import KURED_LOCK

Quantities = dict[str, str | int | float]


NULL = Raw(b"null")


class ApiStruct(Struct, frozen=True, rename="camel", gc=False):
    pass


class OwnerReference(ApiStruct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(ApiStruct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    finalizers: tuple[str, ...] | None = None


class ObjectWire(ApiStruct, frozen=True):
    """Any object, as far as its identity goes."""

    metadata: Meta = Meta()


class NodeMeta(Meta, frozen=True):
    annotations: dict[str, str] | None = None


class PodMeta(Meta, frozen=True):
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Condition(ApiStruct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class TaintWire(ApiStruct, frozen=True):
    key: str = ""
    effect: str = ""
    value: str = ""


class NodeSpec(ApiStruct, frozen=True):
    provider_id: str = field(name="providerID", default="")
    unschedulable: bool = False
    taints: tuple[TaintWire, ...] | None = None


class NodeInfo(ApiStruct, frozen=True):
    boot_id: str = field(name="bootID", default="")
    machine_id: str = field(name="machineID", default="")
    system_uuid: str = field(name="systemUUID", default="")
    os_image: str = ""
    kernel_version: str = ""
    kubelet_version: str = ""


class NodeAddress(ApiStruct, frozen=True):
    address: str = ""


class NodeStatus(ApiStruct, frozen=True):
    addresses: tuple[NodeAddress, ...] | None = None
    conditions: tuple[Condition, ...] | None = None
    node_info: NodeInfo = NodeInfo()
    allocatable: Quantities | None = None


class NodeWire(ApiStruct, frozen=True):
    metadata: NodeMeta = NodeMeta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


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
    """Of a volume: that it is there says enough. An ephemeral volume's template of a claim may have any annotations."""


class ClaimSource(ApiStruct, frozen=True):
    claim_name: str = ""


class Volume(ApiStruct, frozen=True):
    name: str = ""
    empty_dir: EmptyDir | None = None
    host_path: VolumeSource | None = None
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: VolumeSource | None = None


class TolerationWire(ApiStruct, frozen=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class ResourceClaim(ApiStruct, frozen=True):
    name: str = ""


class SchedulingGroup(ApiStruct, frozen=True):
    pod_group_name: str = ""


class PodSpec(ApiStruct, frozen=True):
    node_name: str = ""
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    resources: Requirements | None = None
    """Of the pod as a whole; they count instead of the containers'."""
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
    """There, where an extended resource is given by a driver for dynamic resource allocation."""


class PodWire(ApiStruct, frozen=True):
    metadata: PodMeta = PodMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class PersistentVolumeClaimSpec(ApiStruct, frozen=True):
    volume_name: str = ""


class PersistentVolumeClaimWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()


class VolumeAffinity(ApiStruct, frozen=True):
    required: Raw = NULL
    """Node selector terms."""


class ClaimReference(ApiStruct, frozen=True):
    namespace: str = ""
    name: str = ""


class PersistentVolumeSpec(ApiStruct, frozen=True):
    claim_ref: ClaimReference | None = None
    node_affinity: VolumeAffinity | None = None


class PersistentVolumeWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: PersistentVolumeSpec = PersistentVolumeSpec()


class BudgetSpec(ApiStruct, frozen=True):
    selector: Selector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    unhealthy_pod_eviction_policy: str | None = None


class BudgetStatus(ApiStruct, frozen=True):
    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted_pods: dict[str, Any] | None = None
    conditions: tuple[Condition, ...] | None = None


class BudgetWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


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
    """Of a Job."""
    min_ready_seconds: int = 0
    backoff_limit: int | None = None
    """Of a Job, as the next two."""
    backoff_limit_per_index: int | None = None
    pod_failure_policy: FailurePolicy | None = None


class DaemonPodSpec(ApiStruct, frozen=True):
    """Of a pod template: what it asks of a node."""

    node_name: str = ""
    node_selector: dict[str, str] | None = None
    affinity: Raw = NULL
    tolerations: tuple[TolerationWire, ...] | None = None
    host_network: bool = False


class DaemonPod(ApiStruct, frozen=True):
    spec: DaemonPodSpec = DaemonPodSpec()


class DaemonSetSpec(WorkloadSpec, frozen=True):
    template: DaemonPod | None = None


class WorkloadStatus(ApiStruct, frozen=True):
    ready_replicas: int = 0
    number_ready: int = 0
    """Of a DaemonSet."""
    desired_number_scheduled: int = 0
    ready: int | None = None
    """Of a Job, as the next."""
    failed: int | None = None
    """Pods that have failed so far."""


class WorkloadWire(ApiStruct, frozen=True):
    metadata: WorkloadMeta = WorkloadMeta()
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class DaemonSetWire(WorkloadWire, frozen=True):
    spec: DaemonSetSpec = DaemonSetSpec()


class AttachmentSource(ApiStruct, frozen=True):
    persistent_volume_name: str | None = None


class AttachmentSpec(ApiStruct, frozen=True):
    attacher: str = ""
    node_name: str = ""
    source: AttachmentSource = AttachmentSource()


class VolumeError(ApiStruct, frozen=True):
    message: str = ""


class AttachmentStatus(ApiStruct, frozen=True):
    attached: bool = False
    detach_error: VolumeError | None = None


class AttachmentWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: AttachmentSpec = AttachmentSpec()
    status: AttachmentStatus = AttachmentStatus()


class ReleaseWire(ApiStruct, frozen=True):
    version: str = ""
    digest: str = ""
    kernel: str = ""
    reference_digest: str = ""


class LogAskWire(ApiStruct, frozen=True):
    token: str = ""
    unit: str = ""
    lines: int = 0


class LogToldWire(ApiStruct, frozen=True):
    token: str = ""
    text: str = ""
    error: str = ""


class MachineSpec(ApiStruct, frozen=True):
    action: str = ""
    token: str = ""
    release: ReleaseWire | None = None
    log: LogAskWire | None = None


class UnitsWire(ApiStruct, frozen=True):
    state: str = ""
    failed: tuple[str, ...] | None = None


class WorkWire(ApiStruct, frozen=True):
    token: str = ""
    state: str = ""
    message: str = ""
    percent: int = 0
    boot_id: str = field(name="bootID", default="")
    earlier: tuple[str, ...] | None = None
    units: UnitsWire | None = None
    log: str = ""


class MachineStatus(ApiStruct, frozen=True):
    os: str = ""
    boot_id: str = field(name="bootID", default="")
    kernel: str = ""
    kernel_arguments: str = ""
    layered: tuple[str, ...] | None = None
    units: UnitsWire | None = None
    booted: ReleaseWire | None = None
    staged: ReleaseWire | None = None
    rollback: ReleaseWire | None = None
    work: WorkWire | None = None
    log: LogToldWire | None = None


class MachineWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: MachineSpec | None = None
    status: MachineStatus | None = None


class ListMeta(ApiStruct, frozen=True):
    resource_version: str = ""
    continue_: str = field(name="continue", default="")


W = TypeVar("W")


class ObjectList(Struct, Generic[W], frozen=True):
    """A list, or a page of one."""

    metadata: ListMeta = ListMeta()
    items: tuple[W, ...] | None = None


class WatchLine(Struct, frozen=True):
    """A line of a watch."""

    type: str
    object: Raw


class Cause(ApiStruct, frozen=True):
    reason: str = ""
    message: str = ""


class Details(ApiStruct, frozen=True):
    retry_after_seconds: int = 0
    causes: tuple[Cause, ...] | None = None


class ApiStatus(ApiStruct, frozen=True):
    """What the API server says of a request that failed."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None
