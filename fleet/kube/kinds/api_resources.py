"""The resources of the API server that fleet reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from fleet.core.records.errors import FleetError
from fleet.core.rollout.event import ApiObject
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.kinds import maintenance, volumes
from fleet.kube.kinds.attachment import AttachmentWire, attachment_of
from fleet.kube.kinds.budget import BudgetWire, budget_of
from fleet.kube.kinds.machine import MachineWire, machine_of
from fleet.kube.kinds.node import NodeWire, node_of
from fleet.kube.kinds.pods.pod import pod_of
from fleet.kube.kinds.pods.pod_wire import PodWire, limited
from fleet.kube.kinds.volumes import PersistentVolumeClaimWire, PersistentVolumeWire
from fleet.kube.kinds.workload import DaemonSetWire, WorkloadWire, workload_of
from fleet.kube.objects.api_resource import NAMED, ApiResource, NamedObject, brief


def _workload(kind: str, group: str, resource: str, *, optional: bool = False) -> ApiResource[ApiObject]:
    def convert(found: WorkloadWire) -> ApiObject:
        return workload_of(found, kind)

    found = DaemonSetWire if kind == "DaemonSet" else WorkloadWire
    return ApiResource(kind, group, "v1", resource, found, convert, optional=optional)


def _of_others(kind: str, group: str, version: str, resource: str) -> ApiResource[ApiObject]:
    """Returns a resource of another project, whose objects announce that this project works on a node. Most clusters
    do not serve it."""
    full = f"{resource}.{group}"
    if kind == "MachineConfigNode":
        found: type[Any] = maintenance.ConfigNodeWire

        def convert(found: Any) -> ApiObject:
            return maintenance.config_node(found, full)
    else:
        found = maintenance.MaintenanceWire

        def convert(found: Any) -> ApiObject:
            return maintenance.maintenance(found, full)

    return ApiResource(
        kind, group, version, resource, found, convert, optional=True, lenient=True, foreign=True
    )


NODES = ApiResource("Node", "", "v1", "nodes", NodeWire, node_of)
PODS = ApiResource("Pod", "", "v1", "pods", PodWire, pod_of, limit=limited)
VOLUMES = ApiResource(
    "PersistentVolume",
    "",
    "v1",
    "persistentvolumes",
    PersistentVolumeWire,
    volumes.persistent_volume,
    optional=True,
    lenient=True,
)
CLAIMS = ApiResource(
    "PersistentVolumeClaim",
    "",
    "v1",
    "persistentvolumeclaims",
    PersistentVolumeClaimWire,
    volumes.persistent_volume_claim,
    optional=True,
)
BUDGETS = ApiResource("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", BudgetWire, budget_of)
MACHINES = ApiResource("Machine", "fleet.internal", "v1", "machines", MachineWire, machine_of, lenient=True)

ATTACHMENTS = ApiResource(
    "VolumeAttachment",
    "storage.k8s.io",
    "v1",
    "volumeattachments",
    AttachmentWire,
    attachment_of,
    optional=True,
)

KINDS: tuple[ApiResource[ApiObject], ...] = (
    NODES,
    MACHINES,
    BUDGETS,
    _workload("Deployment", "apps", "deployments"),
    _workload("ReplicaSet", "apps", "replicasets"),
    _workload("StatefulSet", "apps", "statefulsets"),
    _workload("DaemonSet", "apps", "daemonsets", optional=True),
    _workload("Job", "batch", "jobs", optional=True),
    VOLUMES,
    CLAIMS,
    ATTACHMENTS,
    PODS,
    _of_others("NodeMaintenance", "maintenance.nvidia.com", "v1alpha1", "nodemaintenances"),
    _of_others("NodeMaintenance", "nodemaintenance.medik8s.io", "v1beta1", "nodemaintenances"),
    _of_others("MachineConfigNode", "machineconfiguration.openshift.io", "v1", "machineconfignodes"),
)


def things_of(objects: Iterable[Raw]) -> list[ApiObject]:
    """Decodes objects of any kind, each of which names its kind; objects of kinds that fleet does not read are left
    out. Raises FleetError."""
    by_kind = {(kind.group, kind.kind): kind for kind in KINDS}
    things: list[ApiObject] = []
    for item in objects:
        try:
            kind = by_kind.get(_kind_of(NAMED.decode(item)))
        except UNREADABLE as error:
            raise FleetError(f"an object cannot be read: {brief(error)}") from None
        if kind is not None and (thing := kind.thing(item)) is not None:
            things.append(thing)
    return things


def _kind_of(named: NamedObject) -> tuple[str, str]:
    """Returns group and kind. In a dump, an object without `apiVersion` is taken to be of Kubernetes' or fleet's own
    kinds."""
    if named.api_version:
        group, slash, _ = named.api_version.partition("/")
        return (group if slash else ""), named.kind
    return next(((kind.group, kind.kind) for kind in KINDS if kind.kind == named.kind), ("", named.kind))
