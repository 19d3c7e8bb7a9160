"""One resource of an API server: the path of its objects, and how a list or a watch of them is decoded."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from fleet.core.records.errors import FleetError
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.objects.wire import STATUS, ApiStatus, ListMeta, ObjectList, WatchLine

T_co = TypeVar("T_co", covariant=True)
Verb = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


class Page(Struct, Generic[T_co], frozen=True):
    """A list of objects, or one page of a list."""

    things: tuple[T_co, ...]
    version: str
    """The resourceVersion to watch from."""
    rest: str
    """The token that continues the list; empty at its end."""


class WatchEvent(Struct, Generic[T_co], frozen=True):
    """One line of a watch. For a bookmark and an error, `thing` is None."""

    verb: Verb
    thing: T_co | None
    version: str
    """The resourceVersion to continue from; empty for an error."""
    status: ApiStatus | None = None


class ApiResource(Generic[T_co]):
    """Objects of one kind. With `lenient`, an object that cannot be read is left out, since any user may have written
    it."""

    def __init__(
        self,
        kind: str,
        group: str,
        version: str,
        resource: str,
        found: type[Any],
        convert: Callable[[Any], T_co],
        *,
        path: str = "",
        optional: bool = False,
        lenient: bool = False,
        foreign: bool = False,
        limit: Callable[[Any], Any] | None = None,
    ) -> None:
        """Defines a resource. `found` is the struct that one object is decoded into; `convert` makes the object of the
        core from it. `path` is that of the collection, if it is not the one of all namespaces. `limit` removes what
        fleet does not read from parts of `found` that stay text; None: there is no such part."""
        self.kind = kind
        self.group = group
        self.resource = resource
        self.api_version = f"{group}/{version}" if group else version
        self.path = path or (f"/apis/{group}/{version}/{resource}" if group else f"/api/{version}/{resource}")
        self.optional = optional
        """True if fleet can work without the resource."""
        self.foreign = foreign
        """True if the resource belongs to another project: a cluster that does not serve it is not worth reporting."""
        self.named = f"{resource}.{group}" if foreign else resource
        """The name that operators use for the resource."""
        self._lenient = lenient
        self._convert = convert
        self._limit = limit
        listed: Any = ObjectList
        self._list: msgspec.json.Decoder[Any] = msgspec.json.Decoder(listed[found])
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(found)

    def path_of(self, namespace: str, name: str) -> str:
        """Returns the path of one object; `namespace` is empty where the kind has none."""
        head, _, resource = self.path.rpartition("/")
        return f"{head}/namespaces/{namespace}/{resource}/{name}" if namespace else f"{self.path}/{name}"

    def as_written(self) -> ApiResource[Any]:
        """Returns the same resource, with objects as the server writes them, limited to the fields that fleet
        reads."""
        other: ApiResource[Any] = copy(self)
        other._convert = self._limit or (lambda found: found)
        return other

    def page(self, body: bytes) -> Page[T_co]:
        """Decodes a list. Raises FleetError for a body that is no list of this kind."""
        try:
            listed = self._list.decode(body)
            things = tuple(self._convert(item) for item in listed.items or ())
        except (msgspec.ValidationError, RecursionError):
            return self._one_by_one(body)
        except UNREADABLE as error:
            raise FleetError(f"the list of {self.resource} cannot be read: {brief(error)}") from None
        except ValueError:
            return self._one_by_one(body)
        return Page(things, listed.metadata.resource_version, listed.metadata.continue_)

    def thing(self, body: bytes | Raw) -> T_co | None:
        """Decodes one object; None for one that is left out. Raises FleetError for a body that is no object of this
        kind."""
        try:
            thing: T_co = self._convert(self._one.decode(body))
        except (*UNREADABLE, ValueError) as error:
            if self._lenient:
                return None
            raise FleetError(f"{self.kind} {_name_in(body)} cannot be read: {brief(error)}") from None
        return thing

    def change(self, line: bytes) -> WatchEvent[T_co]:
        """Decodes one line of a watch. Raises FleetError for a line that is no watch event of this kind."""
        try:
            event = _TOLD.decode(line)
            if event.type == "ERROR":
                return WatchEvent("ERROR", None, "", STATUS.decode(event.object))
            version = _VERSIONED.decode(event.object).metadata.resource_version
        except UNREADABLE as error:
            raise FleetError(f"the watch of {self.resource} cannot be read: {brief(error)}") from None
        match event.type:
            case "BOOKMARK":
                return WatchEvent("BOOKMARK", None, version)
            case "ADDED" | "MODIFIED" | "DELETED" as verb:
                return WatchEvent(verb, self.thing(event.object), version)
        raise FleetError(f"the watch of {self.resource} has an event {event.type[:40]!r}")

    def _one_by_one(self, body: bytes) -> Page[T_co]:
        """Decodes a list object by object. An object that cannot be read is named in the error, or left out."""
        try:
            listed = _RAW_LIST.decode(body)
        except UNREADABLE as error:
            raise FleetError(f"the list of {self.resource} cannot be read: {brief(error)}") from None
        things = tuple(thing for item in listed.items or () if (thing := self.thing(item)) is not None)
        return Page(things, listed.metadata.resource_version, listed.metadata.continue_)


class _Versioned(Struct, frozen=True):
    metadata: ListMeta = ListMeta()


class NamedMeta(Struct, frozen=True):
    name: str = "?"
    namespace: str = ""


class NamedObject(Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    metadata: NamedMeta = NamedMeta()


_TOLD = msgspec.json.Decoder(WatchLine)
_VERSIONED = msgspec.json.Decoder(_Versioned)
_RAW_LIST = msgspec.json.Decoder(ObjectList[Raw])
NAMED = msgspec.json.Decoder(NamedObject)


def _name_in(body: bytes | Raw) -> str:
    try:
        meta = NAMED.decode(body).metadata
    except UNREADABLE:
        return "?"
    return brief(f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name)


def brief(error: object) -> str:
    """Returns both ends of a text that may quote anything: the place of an error is at its end, and a name has at most
    253 letters."""
    text = str(error)
    return text if len(text) <= 400 else f"{text[:200]}…{text[-200:]}"
