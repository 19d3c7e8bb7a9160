"""Decodes Nodes."""

from __future__ import annotations

import re
from sys import intern

from msgspec import field

from fleet.core.objects.node import Node, Taint
from fleet.kube.kinds.pods.requests import resources
from fleet.kube.objects.sharing import condition
from fleet.kube.objects.wire import ApiStruct, Condition, Meta, Quantities


class NodeMeta(Meta, frozen=True):
    annotations: dict[str, str] | None = None


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
"""Prefixes of node annotations that are kept: fleet's, and those of others who drain, reboot or delete nodes."""
_NODE = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,252}")
"""Matches a node's name, a little wider than a DNS subdomain. The name is resolved as a host's, and used in names of
folders and files."""
_READY: dict[str, bool | None] = {"True": True, "False": False}


def node_of(found: NodeWire) -> Node:
    """Converts a Node. Raises ValueError for a name that no API server accepts for a node."""
    meta, info = found.metadata, found.status.node_info
    if not _NODE.fullmatch(meta.name):
        raise ValueError("a node has a DNS subdomain as its name - at `$.metadata.name`")
    ready = condition(found.status.conditions, "Ready")
    annotations = meta.annotations or {}
    return Node(
        name=intern(meta.name),
        uid=meta.uid,
        labels=meta.labels or {},
        annotations={k: v for k, v in annotations.items() if k.startswith(KEPT_ANNOTATIONS)},
        taints=tuple(Taint(taint.key, taint.effect, taint.value) for taint in found.spec.taints or ()),
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
            address.address
            for address in found.status.addresses or ()
            if address.address not in ("", meta.name)
        ),
    )
