"""All objects of one kind, in pages."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, NamedTuple, TypeVar

from fleet.core.records.errors import FleetError
from fleet.kube.client.transport import Transport
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest, ExpiredError

PAGE = 1000
PAGES = 5000
"""Most pages of a list. For a field selector a server sends pages that are not full."""
OBJECTS = 500_000
"""Most objects of one kind in a cluster that are kept in memory. Kubernetes is made for 150,000 pods."""
TRIES = 3
"""Attempts at a list. It begins again if its continue token expires."""


T = TypeVar("T")


class Listing(NamedTuple, Generic[T]):
    things: list[T]
    version: str
    """The resourceVersion to watch from."""


async def read(transport: Transport, kind: ApiResource[T], fields: str = "") -> Listing[T]:
    """Lists all objects as they are now. `fields`: a field selector. Raises FleetError."""
    for left in reversed(range(TRIES)):
        try:
            return await _read(transport, kind, fields)
        except ExpiredError:
            if not left:
                raise
    raise AssertionError("unreachable")


async def _read(transport: Transport, kind: ApiResource[T], fields: str) -> Listing[T]:
    things: list[T] = []
    rest = ""
    for _ in range(PAGES):
        query = {"limit": str(PAGE)} | ({"continue": rest} if rest else {})
        query |= {"fieldSelector": fields} if fields else {}
        call = ApiRequest(verb="list", path=kind.path, group=kind.group, resource=kind.resource, query=query)
        page = kind.page(await transport.call(call))
        things += page.things
        refuse_more(len(things), kind)
        rest = page.rest
        if not rest:
            return Listing(things, page.version)
        # Others run between the pages of a large list, which take long to decode.
        await asyncio.sleep(0)
    raise FleetError(f"the list of {kind.resource} has not ended after {PAGES} pages")


def refuse_more(count: int, kind: ApiResource[Any]) -> None:
    """Raises FleetError for more objects than fleet keeps: a server may list objects without end, and other clusters
    are to be served too."""
    if count > OBJECTS:
        raise FleetError(f"the server has more than {OBJECTS} {kind.resource}")
