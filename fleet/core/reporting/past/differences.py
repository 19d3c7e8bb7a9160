"""Finds what differs in the fleet between two moments. These structs are the published JSON
(`docs/schemas/diff.json`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.core.objects import identity
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import Node
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.status import FleetStatus, StatusCluster
from fleet.core.text.natural_order import natural

FIELDS = ("site", "pool", "os", "version", "booted", "kernel", "kubelet")
"""The fields that are compared, by their names in the status."""


class DiffCluster(Struct, frozen=True):
    """Says how well a cluster was known at the two moments. A moment is null where the cluster had not been seen by
    then: its nodes are not compared."""

    name: str
    seen_before: datetime | None
    seen_after: datetime | None
    error_before: str = ""
    """Why the cluster did not answer at the first moment."""
    error_after: str = ""


class ChangedField(Struct, frozen=True):
    """One field of a node that differs."""

    field: str
    before: str
    after: str


class NodeDifference(Struct, frozen=True):
    """A node that differs."""

    cluster: str
    node: str
    pool: str
    kind: Literal["added", "gone", "replaced", "changed"]
    """replaced: another machine has the name of the node. Its fields are compared too."""
    fields: tuple[ChangedField, ...] = ()


class FleetDiff(Struct, frozen=True):
    """All that differs between two moments."""

    begin: datetime
    end: datetime
    nodes_before: int
    nodes_after: int
    clusters: tuple[DiffCluster, ...]
    differences: tuple[NodeDifference, ...]


def differences(
    before: FleetStatus,
    after: FleetStatus,
    known_before: Iterable[KnownNode],
    known_after: Iterable[KnownNode],
) -> FleetDiff:
    """Compares the fleet at two moments. Unknown is not absent: nodes of a cluster that had not been seen by one of the
    moments are not compared."""
    clusters = _clusters(before.clusters, after.clusters)
    both = {each.name for each in clusters if each.seen_before is not None and each.seen_after is not None}
    first, last = ({(node.cluster, node.name): node for node in each.nodes} for each in (before, after))
    machines = [
        {(each.cluster, each.name): each.node for each in known} for known in (known_before, known_after)
    ]
    found = [
        difference
        for key in sorted(first.keys() | last.keys(), key=lambda key: (key[0], natural(key[1])))
        if key[0] in both
        for difference in _of_node(first.get(key), last.get(key), machines[0].get(key), machines[1].get(key))
    ]
    return FleetDiff(before.at, after.at, len(first), len(last), tuple(clusters), tuple(found))


def _of_node(
    before: StatusNode | None, after: StatusNode | None, was: Node | None, now: Node | None
) -> Iterator[NodeDifference]:
    if before is None or after is None:
        there = after or before
        if there is not None:
            kind: Literal["added", "gone"] = "added" if before is None else "gone"
            yield NodeDifference(there.cluster, there.name, there.pool, kind)
        return
    changed = tuple(
        ChangedField(name, old, new)
        for name in FIELDS
        # The agent's version says what the OS image says, too.
        if (name != "os" or not (before.version and after.version))
        and (old := getattr(before, name)) != (new := getattr(after, name))
    )
    replaced = was is not None and now is not None and not same_machine(was, now)
    if replaced or changed:
        kind_: Literal["replaced", "changed"] = "replaced" if replaced else "changed"
        yield NodeDifference(after.cluster, after.name, after.pool, kind_, changed)


def same_machine(before: Node, now: Node) -> bool:
    """Returns whether two Node objects of one name are the same machine: the object may have been made again."""
    return before.uid == now.uid or identity.same(identity.of(before), now)


def _clusters(before: Sequence[StatusCluster], after: Sequence[StatusCluster]) -> list[DiffCluster]:
    first: Mapping[str, StatusCluster] = {each.name: each for each in before}
    last: Mapping[str, StatusCluster] = {each.name: each for each in after}
    return [
        DiffCluster(
            name,
            first[name].last_seen if name in first else None,
            last[name].last_seen if name in last else None,
            first[name].error if name in first else "",
            last[name].error if name in last else "",
        )
        for name in sorted(first.keys() | last.keys())
    ]
