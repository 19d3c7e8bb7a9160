"""The kinds of objects of a cluster, and how each is stored as it is now.

A `fact` has what an object is and runs; its `state` has what changes with every reboot, rollout or scaling.
`resource_version` is not kept: it changes with every heartbeat and has no meaning later. Fields at their default are
left out, so that a field that a newer fleet adds does not change every object. What is kept of the past is defined in
`fleet.store.history.parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields, replace

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
WHOLE = msgspec.msgpack.Encoder(order="deterministic")
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
    ) -> None:
        """Defines a kind of object. `columns` repeat fields for queries."""
        self.type = type_
        self.table = table
        self.key = tuple(key)
        self.columns = tuple(columns)
        self.key_of: Callable[[ClusterObject], FactKey] = _key_of(self.key)
        self._values = tuple(columns.values())
        names = type_.__struct_fields__
        self._blank: Mapping[str, str] = {name: "" for name in names if name in FORGOTTEN}
        self.facts = tuple(name for name in names if name not in FORGOTTEN and name not in state)
        """The fields in `fact`; all others that are stored are `states`."""
        self.states = tuple(state)

    # Made when they are needed: a command reads few kinds, and most commands write none.
    @cached_property
    def fact_of(self) -> Encode:
        return encoder_of(self.type, self.facts)

    @cached_property
    def state_of(self) -> Encode:
        return encoder_of(self.type, self.states)

    @cached_property
    def _decode(self) -> Callable[[str], T]:
        return msgspec.json.Decoder(self.type).decode

    def content_of(self, thing: T) -> int:
        """Returns a 64-bit hash of all that is stored of an object. Equal objects have the same hash in every process.
        A hash is quicker to make, to read and to compare than both texts."""
        encoded = WHOLE.encode(replace(thing, **self._blank) if self._blank else thing)
        return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "big", signed=True)

    def values_of(self, thing: T) -> tuple[str, ...]:
        """Returns the values of `columns` for an object."""
        return tuple(value(thing) for value in self._values)

    def thing(self, fact: str, state: str) -> T:
        """Returns the object made of both parts, without its `resource_version`. Raises StoreError for a text that
        fleet cannot have written."""
        try:
            return self._decode(whole(fact, state))
        except (msgspec.DecodeError, TypeError) as error:
            raise StoreError(f"a row of {self.table} cannot be read: {error}", TAMPERED) from None


def whole(fact: str, state: str) -> str:
    """Returns the text of a whole object."""
    return fact if state == "{}" else f"{fact[:-1]},{state[1:]}"


def _key_of(names: FactKey) -> Callable[[Any], FactKey]:
    if len(names) == 1:
        name = attrgetter(names[0])
        return lambda thing: (name(thing),)
    key: Callable[[Any], FactKey] = attrgetter(*names)
    return key


def encoder_of(type_: type[Any], names: Sequence[str]) -> Encode:
    """Returns a function that encodes these fields as a JSON object and leaves out those at their default. Equal
    objects give equal text."""
    defaults = {field.name: _default(field) for field in fields(type_)}
    pairs = tuple((name, attrgetter(name), defaults[name]) for name in names)
    encode = ENCODER.encode

    def encoded(thing: Any) -> str:
        found = {
            name: _stored(value) for name, value_of, default in pairs if (value := value_of(thing)) != default
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
