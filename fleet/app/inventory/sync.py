"""Reads clusters into the inventory database."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from fleet.app.access.allowed import allowed
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import record, refreshed
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.policy.access import Role


class ClusterSync(Struct, frozen=True):
    cluster: str
    nodes: int = 0
    pods: int = 0
    budgets: int = 0
    changes: int = 0
    """How many facts changed."""
    error: str = ""
    """Why the cluster was not read; the stored facts stay."""


def sync(home: Home, names: Sequence[str] = ()) -> list[ClusterSync]:
    """Reads the named clusters, or all, into the inventory and returns a result for each, in the order of their names.

    Raises UsageError for an unknown name, StoreError where the results cannot be written.
    """
    allowed(home, Role.OPERATOR, "sync clusters")
    seen = refreshed(home, names)
    changes = record(home, seen)
    fresh = {snapshot.cluster: snapshot for snapshot in seen.fresh}
    return [
        ClusterSync(row.name, error=seen.lost[row.name])
        if row.name in seen.lost
        else _synced(fresh[row.name], changes[row.name])
        for row in home.clusters(names)
    ]


def _synced(snapshot: Snapshot, changes: int) -> ClusterSync:
    counts = len(snapshot.nodes), len(snapshot.pods), len(snapshot.budgets)
    return ClusterSync(snapshot.cluster, *counts, changes)
