"""Decodes NodeMaintenance, MachineConfigNode and kured's lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from sys import intern

from msgspec import Struct, field

from fleet.core.objects.workload import NodeLock
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.core.third_parties.maintenance import Maintenance
from fleet.kube.objects.wire import ApiStruct, Condition, Meta

UPDATING = (
    "Uncordoned",
    "RebootedNode",
    "AppliedFilesAndOS",
    "Drained",
    "Cordoned",
    "UpdateExecuted",
    "UpdatePrepared",
)
"""Conditions of a MachineConfigNode, the last step of an update first."""


class MaintenanceSpec(ApiStruct, frozen=True):
    """`spec` of a NodeMaintenance, of either group."""

    node_name: str = ""
    requestor_id: str = field(name="requestorID", default="")
    additional_requestors: tuple[str, ...] | None = None
    reason: str = ""


class MaintenanceStatus(ApiStruct, frozen=True):
    phase: str = ""
    conditions: tuple[Condition, ...] | None = None


class MaintenanceWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: MaintenanceSpec = MaintenanceSpec()
    status: MaintenanceStatus | None = None


class NamedWire(ApiStruct, frozen=True):
    name: str = ""


class ConfigNodeSpec(ApiStruct, frozen=True):
    node: NamedWire = NamedWire()
    pool: NamedWire = NamedWire()


class ConfigNodeWire(ApiStruct, frozen=True):
    """A MachineConfigNode as the API server writes it."""

    metadata: Meta = Meta()
    spec: ConfigNodeSpec = ConfigNodeSpec()
    status: MaintenanceStatus | None = None


class LockWire(Struct, frozen=True):
    """The lock that kured writes: of one node, or of several at once."""

    node: str = field(name="nodeID", default="")
    created: str = ""
    ttl: int = field(name="TTL", default=0)
    """Nanoseconds until the lock expires; 0: it does not expire."""
    locks: tuple[LockWire, ...] | None = None


def maintenance(found: MaintenanceWire, kind: str) -> Maintenance:
    """Converts a NodeMaintenance: medik8s writes a phase, maintenance-operator a condition Ready with the phase as its
    reason."""
    meta, spec, status = found.metadata, found.spec, found.status or MaintenanceStatus()
    by_type = {condition.type: condition for condition in status.conditions or ()}
    phase = status.phase or (by_type["Ready"].reason if "Ready" in by_type else "")
    if "RequestorFailed" in by_type and by_type["RequestorFailed"].status == "True":
        phase = "RequestorFailed"
    reasons = (spec.requestor_id, *(spec.additional_requestors or ()), spec.reason)
    return _maintenance(kind, meta, spec.node_name, phase, tuple(reason for reason in reasons if reason))


def config_node(found: ConfigNodeWire, kind: str) -> Maintenance:
    """Converts a MachineConfigNode: its state is `Updated`, or the condition that its update has reached."""
    spec, conditions = found.spec, (found.status or MaintenanceStatus()).conditions or ()
    by_type = {condition.type: condition.status for condition in conditions}
    phase = ""
    if by_type.get("Updated") == "True":
        phase = "Updated"
    elif by_type.get("Updated") == "False":
        phase = next(
            (condition for condition in UPDATING if by_type.get(condition) in ("True", "Unknown")), "Updating"
        )
    return _maintenance(kind, found.metadata, spec.node.name or found.metadata.name, phase, ())


def _maintenance(kind: str, meta: Meta, node: str, phase: str, requestors: tuple[str, ...]) -> Maintenance:
    return Maintenance(
        kind=kind,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        node=intern(node),
        requestors=requestors,
        phase=intern(phase),
        resource_version=meta.resource_version,
    )


def locks(written: str | None) -> tuple[NodeLock, ...]:
    """Returns the nodes that kured has locked. A text that is no lock of kured's locks nothing, as in kured itself."""
    if not written:
        return ()
    try:
        found = decode(written, LockWire)
    except UnreadableError:
        return ()
    return tuple(_lock(lock) for lock in found.locks or (found,) if lock.node)


def _lock(found: LockWire) -> NodeLock:
    try:
        since = datetime.fromisoformat(found.created).astimezone(UTC)
        until = since + timedelta(seconds=found.ttl / 1e9) if found.ttl > 0 else None
    except (ValueError, OverflowError):
        return NodeLock(found.node)
    return NodeLock(found.node, since, until)
