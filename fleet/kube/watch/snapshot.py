"""A cluster at one moment, read from its API server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.records.errors import FleetError, ForbiddenError
from fleet.core.rollout.event import ApiObject
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.api_resources import KINDS, NODES, PODS
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import NotFoundError
from fleet.kube.watch import etcd_check
from fleet.kube.watch.informers import server_version
from fleet.kube.watch.listing import read as read_list

VERSION_SECONDS = 10.0


class ClusterReading(Struct, frozen=True):
    snapshot: Snapshot
    missing: dict[str, str]
    """The resources that the cluster does not have, or does not allow fleet to read, each with the reason."""


async def read(transport: Transport, cluster: str, site: str, at: datetime) -> ClusterReading:
    """Reads all resources once, concurrently. Raises FleetError."""
    version = await server_version(transport, VERSION_SECONDS)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_things(transport, kind)) for kind in KINDS]
    except ExceptionGroup as errors:
        raise next(
            (exception for exception in errors.exceptions if isinstance(exception, FleetError)), errors
        ) from None
    found: list[ApiObject] = []
    missing: dict[str, str] = {}
    for kind, task in zip(KINDS, tasks, strict=True):
        answer = task.result()
        if isinstance(answer, FleetError):
            if not (kind.foreign and isinstance(answer, NotFoundError)):
                missing[kind.named] = answer.message
        else:
            found += answer
    snapshot = replace(Snapshot.of(found, cluster, site, at, version), missing=missing)
    await _compare(transport, NODES, snapshot.nodes)
    await _compare(transport, PODS, snapshot.pods)
    return ClusterReading(snapshot, missing)


async def _compare(transport: Transport, kind: ApiResource[ApiObject], things: Sequence[ApiObject]) -> None:
    """Raises FleetError where the server's lists show another state than its etcd holds."""
    newest = etcd_check.newest(things)
    if newest is None:
        return
    try:
        found = await etcd_check.compare_with_etcd(transport, kind, newest)
    except ForbiddenError:
        return  # a user who may list and not get cannot compare
    if found.contradiction:
        raise FleetError(found.contradiction, etcd_check.REMEDY)


async def _things(transport: Transport, kind: ApiResource[ApiObject]) -> list[ApiObject] | FleetError:
    """Returns the objects of one resource; or the reason why there are none, if fleet can work without the resource."""
    try:
        return (await read_list(transport, kind)).things
    except NotFoundError as error:
        return error
    except ForbiddenError as error:
        if kind.optional:
            return error
        raise
