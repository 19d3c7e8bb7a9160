"""Objects as the API server writes them, with only the fields that fleet needs; any of these may be missing.

Lists and maps may be null, since Go writes an empty one as null where it is not left out.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct, field

Quantities = dict[str, str | int | float]
NULL = Raw(b"null")


class ApiStruct(Struct, frozen=True, rename="camel", gc=False):
    pass


class OwnerReference(ApiStruct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


Owners = tuple[OwnerReference, ...] | None
Labels = dict[str, str] | None


class Meta(ApiStruct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: Labels = None
    owner_references: Owners = None
    finalizers: tuple[str, ...] | None = None


class ObjectWire(ApiStruct, frozen=True):
    """The identity of an object of any kind."""

    metadata: Meta = Meta()


class Condition(ApiStruct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class ListMeta(ApiStruct, frozen=True):
    resource_version: str = ""
    continue_: str = field(name="continue", default="")


W = TypeVar("W")


class ObjectList(Struct, Generic[W], frozen=True):
    """A list, or one page of a list."""

    metadata: ListMeta = ListMeta()
    items: tuple[W, ...] | None = None


class WatchLine(Struct, frozen=True):
    """One line of a watch."""

    type: str
    object: Raw


class Cause(ApiStruct, frozen=True):
    reason: str = ""
    message: str = ""


class Details(ApiStruct, frozen=True):
    retry_after_seconds: int = 0
    causes: tuple[Cause, ...] | None = None


class ApiStatus(ApiStruct, frozen=True):
    """The API server's message about a failed request."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


STATUS = msgspec.json.Decoder(ApiStatus)
"""Decodes a Status."""
