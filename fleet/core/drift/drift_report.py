"""The findings of `fleet drift` and `fleet orphans`. These structs are the published JSON (`docs/schemas/drift.json`,
`docs/schemas/orphans.json`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.core.reporting.node_state import StatusNode

DriftKind = Literal[
    "release", "digest", "kernel", "kubelet", "kernel-arguments", "layered", "etc", "failed-units"
]
OrphanKind = Literal[
    "no-node",
    "no-agent",
    "not-ready",
    "slot-of-deleted",
    "same-machine",
    "renamed",
    "only-in-source",
    "ambiguous",
    "unseen-cluster",
]
"""renamed: the machine of the node had another name, whose Node is gone. only-in-source: no cluster has the machine, and
a source outside of the clusters does; its `cluster` is empty. ambiguous: a source has a machine that may be one of
several nodes."""


class DriftFinding(Struct, frozen=True):
    """One way in which a node differs from its pool or from its release."""

    cluster: str
    site: str
    pool: str
    node: str
    kind: DriftKind
    expected: str
    found: str
    basis: str
    """What says what is expected: the stream, or how many nodes of the pool agree, such as `41 of 42 nodes`."""
    message: str
    remedy: str


def finding(
    node: StatusNode, kind: DriftKind, expected: str, found: str, basis: str, message: str, remedy: str
) -> DriftFinding:
    """Returns a finding about the node."""
    return DriftFinding(
        node.cluster, node.site, node.pool, node.name, kind, expected, found, basis, message, remedy
    )


class UndecidedPool(Struct, frozen=True):
    """Nodes of a pool that differ from each other, without a majority that would say which of them drift."""

    pool: str
    kind: DriftKind
    variants: tuple[tuple[str, int], ...]
    """Each value with its number of nodes, the most frequent first."""


class DriftReport(Struct, frozen=True):
    """All findings about drift at one time."""

    at: datetime
    nodes: int
    """How many nodes were compared."""
    findings: tuple[DriftFinding, ...]
    undecided: tuple[UndecidedPool, ...]
    not_reported: int
    """Nodes of which no agent reports anything: only what their kubelet reports was compared."""
    etc_unknown: int = 0
    """Nodes whose agent reports, but not which files in /etc were changed: their systems cannot compare them."""


class OrphanFinding(Struct, frozen=True):
    """An object that one source knows and another does not, or that nothing accounts for."""

    cluster: str
    site: str
    name: str
    kind: OrphanKind
    since: datetime | None
    """Since when. None: not known."""
    message: str
    remedy: str


class OrphanReport(Struct, frozen=True):
    """All findings about orphans at one time."""

    at: datetime
    findings: tuple[OrphanFinding, ...]
