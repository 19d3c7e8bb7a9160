"""The kinds of objects of a cluster: which of their fields are kept with history, and which only as they are now.

A `fact` has what an object is and runs; its `state` has what changes with every reboot, rollout or scaling, and would
flood the history. `resource_version` is not kept: it changes with every heartbeat and has no meaning later. Fields at
their default are left out, so that a field that a newer fleet adds does not change every object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.errors import StoreError
from fleet.core.releases.release import Release
from fleet.core.rollout.event import ClusterObject
from fleet.core.third_parties.maintenance import Maintenance
from fleet.store.db.database import TAMPERED

T = TypeVar("T", bound=ClusterObject)
FactKey = tuple[str, ...]
Encode = Callable[[Any], str]

ENCODER = msgspec.json.Encoder(order="deterministic")
FORGOTTEN = frozenset({"resource_version"})


class FactKind(Generic[T]):
    """One kind of object and its table (`fleet.store.db.tables`)."""

    def __init__(
        self,
        type_: type[T],
        table: str,
        key: Sequence[str],
        state: Sequence[str],
        columns: dict[str, Callable[[T], str]],
        runs: Sequence[str] = (),
    ) -> None:
        """Defines a kind of object. `columns` repeat fields for queries. `runs` are those of the columns that show
        what runs on the machine: while their values stay the same, the table's column `since` does too."""
        self.type = type_
        self.table = table
        self.key = tuple(key)
        self.columns = tuple(columns)
        self.runs = tuple(runs)
        self.key_of: Callable[[ClusterObject], FactKey] = _key_of(self.key)
        self._values = tuple(columns.values())
        kept = {field.name: _default(field) for field in fields(type_) if field.name not in FORGOTTEN}
        self.fact_of: Encode = _encoder({name: kept[name] for name in kept if name not in state})
        self.state_of: Encode = _encoder({name: kept[name] for name in state})
        self._decode = msgspec.json.Decoder(type_).decode

    def values_of(self, thing: T) -> tuple[str, ...]:
        """Returns the values of `columns` for an object."""
        return tuple(value(thing) for value in self._values)

    def thing(self, fact: str, state: str) -> T:
        """Returns the object made of both parts, without its `resource_version`. Raises StoreError for a text that
        fleet cannot have written."""
        try:
            return self._decode(fact if state == "{}" else f"{fact[:-1]},{state[1:]}")
        except (msgspec.DecodeError, TypeError) as error:
            raise StoreError(f"a row of {self.table} cannot be read: {error}", TAMPERED) from None


def _key_of(names: FactKey) -> Callable[[Any], FactKey]:
    if len(names) == 1:
        name = attrgetter(names[0])
        return lambda thing: (name(thing),)
    key: Callable[[Any], FactKey] = attrgetter(*names)
    return key


def _encoder(defaults: Mapping[str, Any]) -> Encode:
    """Returns a function that encodes these fields as a JSON object and leaves out those at their default. Equal
    objects give equal text."""
    values = attrgetter(*defaults)
    pairs = tuple(defaults.items())
    encode = ENCODER.encode

    def encoded(thing: Any) -> str:
        found = {
            name: _stored(value)
            for (name, default), value in zip(pairs, values(thing), strict=True)
            if value != default
        }
        return encode(found).decode()

    return encoded


class _BareRelease(Struct, frozen=True):
    """A release without the digests that older versions of fleet did not know."""

    version: str
    digest: str
    kernel: str
    kubelet: str


def _stored(value: Any) -> Any:
    """Returns the value to encode. A release without the digests that a newer fleet knows is encoded in the old form,
    so that a machine that does not report them does not count as changed."""
    if type(value) is not Release or value.reference_digest or value.digests:
        return value
    return _BareRelease(value.version, value.digest, value.kernel, value.kubelet)


def _default(field: FieldInfo) -> Any:
    """Returns the default of a field; NODEFAULT, which no value equals, for a field that has none."""
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def _booted(part: str) -> Callable[[Machine], str]:
    value = attrgetter(part)
    return lambda machine: "" if machine.booted is None else str(value(machine.booted))


NODE = FactKind(
    Node,
    "node",
    key=("name",),
    state=("annotations", "taints", "unschedulable", "ready", "deleting"),
    columns={name: attrgetter(name) for name in ("uid", "boot_id", "os_image", "kernel", "kubelet")},
    runs=("os_image", "kernel"),
)
MACHINE = FactKind(
    Machine,
    "machine",
    key=("name",),
    state=("request", "work", "units"),
    columns={
        **{name: attrgetter(name) for name in ("uid", "boot_id", "os", "kernel")},
        "version": _booted("version"),
        "digest": _booted("digest"),
    },
    runs=("version", "digest"),
)
POD = FactKind(
    Pod,
    "pod",
    key=("namespace", "name"),
    state=("phase", "ready", "deleting", "stuck"),
    columns={"uid": attrgetter("uid"), "node": attrgetter("node")},
)
BUDGET = FactKind(
    Budget,
    "budget",
    key=("namespace", "name"),
    state=(
        "generation",
        "observed_generation",
        "disruptions_allowed",
        "current_healthy",
        "desired_healthy",
        "expected_pods",
        "disrupted",
        "failure",
    ),
    columns={"uid": attrgetter("uid")},
)
WORKLOAD = FactKind(
    Workload,
    "workload",
    key=("kind", "namespace", "name"),
    state=("replicas", "ready", "locks"),
    columns={"uid": attrgetter("uid")},
)
QUORUM = FactKind(
    Quorum,
    "quorum",
    key=("name",),
    state=("members", "links", "declared", "unread", "read_at"),
    columns={"uid": attrgetter("uid")},
)
MAINTENANCE = FactKind(
    Maintenance,
    "maintenance",
    key=("kind", "namespace", "name"),
    state=("requestors", "phase"),
    columns={"uid": attrgetter("uid")},
)
KINDS: tuple[FactKind[Any], ...] = (NODE, MACHINE, POD, BUDGET, WORKLOAD, QUORUM, MAINTENANCE)
