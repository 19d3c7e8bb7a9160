"""Compares what an API server lists and watches with what its etcd holds.

A GET without a resourceVersion is answered by etcd, a list by the API server's cache. After an etcd was restored under a
running API server the cache goes on serving the state from before the restore, its watches stay silent, and readyz says
ok; GETs and writes are correct (seen on 1.36 and 1.37). So one object is read in both ways.
resourceVersions of one resource are numbers that grow (KEP-5504).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fleet.core.rollout.event import ApiObject
from fleet.kube.client.transport import Transport
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest, NotFoundError
from fleet.kube.watch.listing import read

SECONDS = 5.0
"""Time-out of one request in seconds."""
JUMP = 1_000_000
"""More revisions than any cluster writes between two checks: revisions were bumped, which makes API servers list
again."""
REMEDY = (
    "its etcd was restored under running API servers: restart all of them (or restore with bumped revisions), then "
    "fleet's controller if the message stays"
)


_NUMBER = re.compile(r"[0-9]{1,20}")
"""etcd's revisions have 64 bits."""


class EtcdComparison(NamedTuple):
    contradiction: str = ""
    """The difference between the lists and etcd, as a message. Empty: there is none."""
    behind: bool = False
    """True if the server shows what etcd holds, but the known state is another: list again."""


async def compare_with_etcd(
    transport: Transport, kind: ApiResource[ApiObject], known: ApiObject
) -> EtcdComparison:
    """Reads one object that is known from a list or a watch from etcd, and from the server's lists where it differs.

    Raises FleetError where there is no answer. A list that is begun after a GET must be as new as what the GET
    returned.
    """
    stored = await _stored(transport, kind, known)
    if stored is not None and stored.uid == known.uid and stored.resource_version == known.resource_version:
        return EtcdComparison()
    listed = await _listed(transport, kind, known)
    again = await _stored(transport, kind, known)
    name = f"{kind.kind} {known.name}"
    if stored is None and listed is not None and listed.uid == known.uid:
        return EtcdComparison(f"{name} is in its lists but not in its etcd")
    if stored is not None and listed is not None and older(listed, stored):
        return EtcdComparison(f"its lists have {name} at {_revisions(listed, stored)}")
    if again is not None and listed is not None and older(again, listed):
        return EtcdComparison(f"its lists have {name} at {_revisions(listed, again)}")
    return EtcdComparison(behind=True)


async def listed_at(transport: Transport, kind: ApiResource[ApiObject]) -> int:
    """Returns the resourceVersion of the server's lists, 0 where it is not a number. Raises FleetError."""
    query = {"limit": "1"}
    call = ApiRequest(verb="list", path=kind.path, group=kind.group, resource=kind.resource, query=query)
    return number(kind.page(await transport.call(call)).version) or 0


async def has_recovered(
    transport: Transport, kind: ApiResource[ApiObject], wrong: ApiObject, before: int
) -> bool:
    """Returns whether the server has read its etcd again since its lists, then at resourceVersion `before`, showed
    `wrong`. Raises FleetError.

    It has where the lists are older than that now, or far newer. Or where they show that object as etcd holds it, at
    a revision that the server's cache had passed: it cannot have come there by a watch. Once etcd itself has passed
    `before`, whatever is changed after that comes to the cache again, and proves nothing.
    """
    now = await listed_at(transport, kind)
    if now and not before <= now <= before + JUMP:
        return True
    stored = await _stored(transport, kind, wrong)
    listed = await _listed(transport, kind, wrong)
    if stored is None or listed is None:
        return stored is None and listed is None
    version = number(listed.resource_version)
    same = (listed.uid, listed.resource_version) == (stored.uid, stored.resource_version)
    return same and version is not None and version <= before


def newest(things: Iterable[ApiObject]) -> ApiObject | None:
    """Returns the object that was changed last; None: there is none whose resourceVersion is a number."""
    found, highest = None, -1
    for thing in things:
        version = number(thing.resource_version)
        if version is not None and version > highest:
            found, highest = thing, version
    return found


def number(version: str) -> int | None:
    """Returns a resourceVersion as a number; None if it is not one."""
    return int(version) if _NUMBER.fullmatch(version) else None


def older(one: ApiObject, other: ApiObject) -> bool:
    """Returns whether `one` is older, also where these are different objects of one name: within a resource numbers
    only grow."""
    left, right = number(one.resource_version), number(other.resource_version)
    return left is not None and right is not None and left < right


async def _stored(transport: Transport, kind: ApiResource[ApiObject], known: ApiObject) -> ApiObject | None:
    call = ApiRequest(
        verb="get",
        path=kind.path_of(getattr(known, "namespace", ""), known.name),
        group=kind.group,
        resource=kind.resource,
        seconds=SECONDS,
    )
    try:
        return kind.thing(await transport.call(call))
    except NotFoundError:
        return None


async def _listed(transport: Transport, kind: ApiResource[ApiObject], known: ApiObject) -> ApiObject | None:
    namespace = getattr(known, "namespace", "")
    fields = f"metadata.name={known.name}" + (f",metadata.namespace={namespace}" if namespace else "")
    things = (await read(transport, kind, fields)).things
    own = (
        thing for thing in things if (getattr(thing, "namespace", ""), thing.name) == (namespace, known.name)
    )
    return next(own, None)


def _revisions(listed: ApiObject, stored: ApiObject) -> str:
    return f"resourceVersion {listed.resource_version}, its etcd holds it at {stored.resource_version}"
