"""The kinds of objects that fleet reads: where they are, and how a list or a watch of them is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from fleet.core.records.errors import FleetError
from fleet.core.rollout.event import ApiObject
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.objects import decode, maintenance, volumes, wire
from fleet.kube.objects.wire import ApiStatus, ListMeta, ObjectList

Verb = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


class Page(Struct, frozen=True):
    things: tuple[ApiObject, ...]
    version: str
    """resourceVersion to watch from."""
    rest: str
    """Continues the list; empty at its end."""


class WatchEvent(Struct, frozen=True):
    """A line of a watch. Of a bookmark and an error `thing` is None."""

    verb: Verb
    thing: ApiObject | None
    version: str
    """resourceVersion to go on from; empty for an error."""
    status: ApiStatus | None = None


class ApiResource:
    """One kind of object. `lenient`: an object that cannot be read is left out, since anybody may have written it."""

    def __init__(
        self,
        kind: str,
        group: str,
        version: str,
        resource: str,
        found: type[Any],
        convert: Callable[[Any], ApiObject],
        *,
        optional: bool = False,
        lenient: bool = False,
        foreign: bool = False,
    ) -> None:
        self.kind = kind
        self.group = group
        self.resource = resource
        self.api_version = f"{group}/{version}" if group else version
        self.path = f"/apis/{group}/{version}/{resource}" if group else f"/api/{version}/{resource}"
        self.optional = optional
        """The rest is of use without it."""
        self.foreign = foreign
        """Another project's: that the cluster has none is nothing to tell."""
        self.named = f"{resource}.{group}" if foreign else resource
        """What an operator calls it."""
        self._lenient = lenient
        self._convert = convert
        listed: Any = ObjectList
        self._list: msgspec.json.Decoder[Any] = msgspec.json.Decoder(listed[found])
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(found)

    def path_of(self, namespace: str, name: str) -> str:
        """The path of one object; `namespace` is empty where the kind has none."""
        head, _, resource = self.path.rpartition("/")
        return f"{head}/namespaces/{namespace}/{resource}/{name}" if namespace else f"{self.path}/{name}"

    def as_written(self) -> ApiResource:
        """The same kind, whose objects stay as the server writes them, with the fields that fleet reads."""
        other = copy(self)
        other._convert = lambda found: found
        return other

    def page(self, body: bytes) -> Page:
        """Raises FleetError for what is no list of this kind."""
        try:
            listed = self._list.decode(body)
            things = tuple(self._convert(each) for each in listed.items or ())
        except (msgspec.ValidationError, RecursionError):
            return self._one_by_one(body)
        except UNREADABLE as error:
            raise FleetError(f"the list of {self.resource} cannot be read: {_brief(error)}") from None
        except ValueError:
            return self._one_by_one(body)
        return Page(things, listed.metadata.resource_version, listed.metadata.continue_)

    def thing(self, body: bytes | Raw) -> ApiObject | None:
        """None for one that is left out. Raises FleetError for what is no object of this kind."""
        try:
            thing: ApiObject = self._convert(self._one.decode(body))
        except (*UNREADABLE, ValueError) as error:
            if self._lenient:
                return None
            raise FleetError(f"{self.kind} {_name_in(body)} cannot be read: {_brief(error)}") from None
        return thing

    def change(self, line: bytes) -> WatchEvent:
        """Raises FleetError for what is no line of a watch of this kind."""
        try:
            told = _TOLD.decode(line)
            if told.type == "ERROR":
                return WatchEvent("ERROR", None, "", _STATUS.decode(told.object))
            version = _VERSIONED.decode(told.object).metadata.resource_version
        except UNREADABLE as error:
            raise FleetError(f"the watch of {self.resource} cannot be read: {_brief(error)}") from None
        match told.type:
            case "BOOKMARK":
                return WatchEvent("BOOKMARK", None, version)
            case "ADDED" | "MODIFIED" | "DELETED" as verb:
                return WatchEvent(verb, self.thing(told.object), version)
        raise FleetError(f"the watch of {self.resource} tells of {told.type[:40]!r}")

    def _one_by_one(self, body: bytes) -> Page:
        """Names the object that cannot be read, or leaves it out."""
        try:
            listed = _RAW_LIST.decode(body)
        except UNREADABLE as error:
            raise FleetError(f"the list of {self.resource} cannot be read: {_brief(error)}") from None
        things = tuple(thing for each in listed.items or () if (thing := self.thing(each)) is not None)
        return Page(things, listed.metadata.resource_version, listed.metadata.continue_)


class _Versioned(Struct, frozen=True):
    metadata: ListMeta = ListMeta()


class _NamedMeta(Struct, frozen=True):
    name: str = "?"
    namespace: str = ""


class _Named(Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    metadata: _NamedMeta = _NamedMeta()


_TOLD = msgspec.json.Decoder(wire.WatchLine)
_STATUS = msgspec.json.Decoder(ApiStatus)
_VERSIONED = msgspec.json.Decoder(_Versioned)
_RAW_LIST = msgspec.json.Decoder(ObjectList[Raw])
_NAMED = msgspec.json.Decoder(_Named)


def _name_in(body: bytes | Raw) -> str:
    try:
        meta = _NAMED.decode(body).metadata
    except UNREADABLE:
        return "?"
    return _brief(f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name)


def _brief(words: object) -> str:
    """Both ends of what may quote anything: an error's place is at its end, and a name has 253 letters at most."""
    text = str(words)
    return text if len(text) <= 400 else f"{text[:200]}…{text[-200:]}"


def _workload(kind: str, group: str, resource: str, *, optional: bool = False) -> ApiResource:
    def convert(found: wire.WorkloadWire) -> ApiObject:
        return decode.workload(found, kind)

    found = wire.DaemonSetWire if kind == "DaemonSet" else wire.WorkloadWire
    return ApiResource(kind, group, "v1", resource, found, convert, optional=optional)


def _of_others(kind: str, group: str, version: str, resource: str) -> ApiResource:
    """Another project's, by which it says that it works on a node. Most clusters have none."""
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


NODES = ApiResource("Node", "", "v1", "nodes", wire.NodeWire, decode.node)
PODS = ApiResource("Pod", "", "v1", "pods", wire.PodWire, decode.pod)
VOLUMES = ApiResource(
    "PersistentVolume",
    "",
    "v1",
    "persistentvolumes",
    wire.PersistentVolumeWire,
    volumes.persistent_volume,
    optional=True,
    lenient=True,
)
CLAIMS = ApiResource(
    "PersistentVolumeClaim",
    "",
    "v1",
    "persistentvolumeclaims",
    wire.PersistentVolumeClaimWire,
    volumes.persistent_volume_claim,
    optional=True,
)
BUDGETS = ApiResource(
    "PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", wire.BudgetWire, decode.budget
)
MACHINES = ApiResource(
    "Machine", "fleet.internal", "v1", "machines", wire.MachineWire, decode.machine, lenient=True
)

ATTACHMENTS = ApiResource(
    "VolumeAttachment",
    "storage.k8s.io",
    "v1",
    "volumeattachments",
    wire.AttachmentWire,
    decode.attachment,
    optional=True,
)

KINDS: tuple[ApiResource, ...] = (
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
    """Of objects of any kind, each saying which it is; those of other kinds are left out. Raises FleetError."""
    by_kind = {(kind.group, kind.kind): kind for kind in KINDS}
    things: list[ApiObject] = []
    for each in objects:
        try:
            kind = by_kind.get(_kind_of(_NAMED.decode(each)))
        except UNREADABLE as error:
            raise FleetError(f"an object cannot be read: {_brief(error)}") from None
        if kind is not None and (thing := kind.thing(each)) is not None:
            things.append(thing)
    return things


def _kind_of(named: _Named) -> tuple[str, str]:
    """Group and kind. A dump that leaves `apiVersion` out means the kinds of Kubernetes and of fleet."""
    if named.api_version:
        group, slash, _ = named.api_version.partition("/")
        return (group if slash else ""), named.kind
    return next(((kind.group, kind.kind) for kind in KINDS if kind.kind == named.kind), ("", named.kind))
