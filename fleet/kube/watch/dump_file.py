"""A cluster at one moment, read from a dump that `kubectl get ... -o json` or fleet wrote. No part of the client of the API
server is imported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.records.errors import FleetError, UsageError
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.kinds.api_resources import KINDS, MACHINES, NODES, PODS, things_of


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
