"""A cluster at one moment: read from its API server, or from a dump that `kubectl get ... -o json` printed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.records.errors import FleetError, ForbiddenError, UsageError
from fleet.core.rollout.event import ApiObject
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.api_resources import KINDS, MACHINES, NODES, PODS, things_of
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


def of_dump(data: bytes, cluster: str, site: str, at: datetime) -> Snapshot:
    """Reads a dump, which is UTF-8. Resources of which the file has no object are `missing` in it: the cluster may have
    none, or they were not requested.

    Raises UsageError for a file that is not a list of Kubernetes objects.
    """
    try:
        listed = _DUMP.decode(data)
    except UNREADABLE as error:
        raise UsageError(
            f"not a dump of a cluster: {error}",
            "make one with: kubectl get nodes,pods,poddisruptionbudgets,... -A -o json",
        ) from None
    try:
        things = things_of(listed.items)
    except UsageError:
        raise
    except FleetError as error:
        raise UsageError(error.message, error.hint) from None
    snapshot = Snapshot.of(things, cluster, site, at)
    return replace(snapshot, missing=_absent(snapshot, listed.read))


def _absent(snapshot: Snapshot, read: Sequence[str]) -> dict[str, str]:
    """Returns the resources that may be missing in a dump. `read`: resources that were read according to the file, so
    that
    the cluster had none."""
    there = {workload.kind for workload in snapshot.workloads}
    if snapshot.budgets:
        there.add("PodDisruptionBudget")
    names = {(workload.kind, workload.namespace, workload.name) for workload in snapshot.workloads}
    owned = {
        (pod.owner.kind, pod.namespace, pod.owner.name) for pod in snapshot.pods if pod.owner is not None
    }
    lacking = {kind for kind, *_ in owned - names}
    absent = {}
    for kind in KINDS:
        if kind in (NODES, PODS, MACHINES) or kind.foreign or kind.resource in read:
            continue
        if kind.kind not in there:
            absent[kind.resource] = "none in the file"
        elif kind.kind in lacking:
            absent[kind.resource] = "not all are in the file"
    return absent


class _Dump(Struct, frozen=True):
    items: tuple[Raw, ...]
    read: tuple[str, ...] = ()
    """The resources that were listed, in a dump by fleet; empty in one by kubectl."""


_DUMP = msgspec.json.Decoder(_Dump)


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
