"""All objects of one kind, and then their changes, for as long as one asks."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from fleet.core.records.errors import FleetError, UnreachableError
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.client.clock import Clock
from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, ExpiredError
from fleet.kube.objects.wire import ListMeta, Meta

LOG = logging.getLogger(__name__)
T = TypeVar("T")

_WATCH_SECONDS = 300
_RETRY_SECONDS = 0.2
_RETRY_MOST_SECONDS = 10.0


class Kind(Struct, frozen=True):
    """Where the objects are, in RBAC's words and as a path."""

    path: str
    group: str
    resource: str
    selector: str = ""
    """A field selector."""


class Found(Struct, Generic[T], frozen=True):
    """The object as it is now."""

    name: str
    thing: T


class Lost(Struct, frozen=True):
    """The object is not there any more."""

    name: str


class Complete(Struct, frozen=True):
    """Every object that is there has been told."""


class _Object(Struct, frozen=True):
    metadata: Meta = Meta()


class _List(Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] = []


class _Event(Struct, frozen=True):
    type: str
    object: msgspec.Raw


_LIST = msgspec.json.Decoder(_List)
_EVENT = msgspec.json.Decoder(_Event)
_OBJECT = msgspec.json.Decoder(_Object)


class Watch(Generic[T]):
    """Goes on by itself after a broken connection, from where it was; after 410 Gone from a new list."""

    def __init__(
        self, transport: Transport, clock: Clock, kind: Kind, decode: Callable[[msgspec.Raw], T]
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._kind = kind
        self._decode = decode
        self._version = ""
        self._known: set[str] = set()
        self._heard = False
        """Something came of the last attempt."""

    async def changes(self) -> AsyncIterator[Found[T] | Lost | Complete]:
        """Does not end, and raises nothing of the API server: it is tried again until it answers."""
        delay = _RETRY_SECONDS
        while True:
            self._heard = False
            try:
                if not self._version:
                    for each in await self._listed():
                        yield each
                async for change in self._watched():
                    yield change
            except ExpiredError as error:
                LOG.info("%s are listed again: %s", self._kind.resource, error)
                self._version = ""
            except FleetError as error:
                self._failed(error)
            except UNREADABLE as error:
                self._failed(FleetError(f"what the server says cannot be read: {error}"))
            if self._heard:
                delay = _RETRY_SECONDS
            # Of thousands of agents that lost one API server not all come back in the same moment.
            await self._clock.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            delay = min(2 * delay, _RETRY_MOST_SECONDS)

    def _failed(self, error: FleetError) -> None:
        away = isinstance(error, UnreachableError)
        LOG.log(logging.INFO if away else logging.WARNING, "%s: %s", self._kind.resource, error)
        if not away:
            self._version = ""

    async def _listed(self) -> list[Found[T] | Lost | Complete]:
        found = _LIST.decode(await self._transport.call(self._call("list", {})))
        here = [self._found(item) for item in found.items]
        gone = self._known - {each.name for each in here}
        self._known = {each.name for each in here}
        self._version = found.metadata.resource_version
        return [*here, *(Lost(name) for name in gone), Complete()]

    async def _watched(self) -> AsyncIterator[Found[T] | Lost]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with self._transport.stream(self._call("watch", query)) as lines:
            async for line in lines:
                event = _EVENT.decode(line)
                if event.type == "ERROR":
                    raise ExpiredError("the watch ended with an error of the server")
                self._heard = True
                meta = _OBJECT.decode(event.object).metadata
                self._version = meta.resource_version
                if event.type == "DELETED":
                    self._known.discard(meta.name)
                    yield Lost(meta.name)
                elif event.type != "BOOKMARK":
                    self._known.add(meta.name)
                    yield Found(meta.name, self._decode(event.object))

    def _found(self, item: msgspec.Raw) -> Found[T]:
        return Found(_OBJECT.decode(item).metadata.name, self._decode(item))

    def _call(self, verb: str, query: dict[str, str]) -> ApiRequest:
        if self._kind.selector:
            query = {**query, "fieldSelector": self._kind.selector}
        return ApiRequest(
            verb=verb, path=self._kind.path, group=self._kind.group, resource=self._kind.resource, query=query
        )
