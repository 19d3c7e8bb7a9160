"""All objects of one kind, in pages."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from fleet.core.event import Object
from fleet.kube.kinds import Kind
from fleet.kube.refusal import Call, ExpiredError
from fleet.kube.transport import Transport

PAGE = 1000
TRIES = 3
"""A list whose rest is forgotten while it is read begins again."""


class Listing(NamedTuple):
    things: list[Object]
    version: str
    """resourceVersion to watch from."""


async def read(transport: Transport, kind: Kind, fields: str = "") -> Listing:
    """As they are now; `fields`: a field selector. Raises FleetError."""
    for left in reversed(range(TRIES)):
        try:
            return await _read(transport, kind, fields)
        except ExpiredError:
            if not left:
                raise
    raise AssertionError("unreachable")


async def _read(transport: Transport, kind: Kind, fields: str) -> Listing:
    things: list[Object] = []
    rest = ""
    while True:
        query = {"limit": str(PAGE)} | ({"continue": rest} if rest else {})
        query |= {"fieldSelector": fields} if fields else {}
        call = Call(verb="list", path=kind.path, group=kind.group, resource=kind.resource, query=query)
        page = kind.page(await transport.call(call))
        things += page.things
        rest = page.rest
        if not rest:
            return Listing(things, page.version)
        # Others run between the pages of a large list, which take long to decode.
        await asyncio.sleep(0)
