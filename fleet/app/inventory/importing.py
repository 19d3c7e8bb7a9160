"""Adds all clusters of a kubeconfig at once."""

from __future__ import annotations

import asyncio
import fnmatch
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.access.allowed import allowed
from fleet.app.inventory.clusters import ClusterCheck, checked
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import keep
from fleet.app.wiring.sources.kubeconfig import kubeconfig_files, new_row
from fleet.app.wiring.sources.registry import source_of
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.policy.access import Role
from fleet.core.records.errors import FleetError, UsageError
from fleet.system.event_loop import result_of

if TYPE_CHECKING:
    from fleet.app.wiring.sources.source import Inspection
    from fleet.store import ClusterRow

AT_ONCE = 8
"""The most clusters that are read at a time."""
REGION_LABEL = "topology.kubernetes.io/region"

ImportState = Literal["added", "would-add", "in-fleet", "same-cluster", "failed"]


class ImportedContext(Struct, frozen=True):
    """Tells what became of one context."""

    context: str
    name: str
    """The cluster's name in the fleet."""
    state: ImportState
    sites: tuple[str, ...] = ()
    check: ClusterCheck | None = None
    message: str = ""
    """Why the cluster was not added."""


class ImportRequest(Struct, frozen=True):
    """Names which contexts are imported, and which sites their clusters get."""

    patterns: tuple[str, ...] = ()
    """Shell patterns of contexts; empty: all."""
    kubeconfig: Path | None = None
    """None: what kubectl reads."""
    site: str = ""
    """Site of all clusters. Empty: the most frequent value of `site_label` on a cluster's nodes; without such a label
    the cluster's name."""
    site_label: str = REGION_LABEL
    dry_run: bool = False


def import_contexts(home: Home, request: ImportRequest, show: Callable[[str], None]) -> list[ImportedContext]:
    """Reads the clusters of all contexts that match, and adds those that answer. A cluster gets its context's name.
    Nothing is written to any cluster. `show` receives the progress. Raises UsageError if no context matches."""
    from fleet.kube.kubeconfig import contexts

    allowed(home, Role.ADMIN, "add clusters")
    found = contexts.read_all(kubeconfig_files(request.kubeconfig))
    names = [name for name in found.contexts if _matches(name, request.patterns)]
    if not names:
        there = ", ".join(sorted(found.contexts)) or "none"
        raise UsageError(
            f"no context matches {' or '.join(request.patterns) or '*'}", f"contexts there: {there}"
        )
    # The current context first: of two contexts for one cluster it is the one that its user knows.
    names.sort(key=lambda name: (name != found.current, name))
    importing = _Import(home, request)
    rows = [row for name in names if (row := importing.row_of(name)) is not None]
    for row, inspected in zip(rows, result_of(_inspect_all(home, rows, show)), strict=True):
        importing.add(row, inspected)
    return importing.results


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


async def _inspect_all(
    home: Home, rows: Sequence[ClusterRow], show: Callable[[str], None]
) -> list[Inspection | FleetError]:
    limit, policy = asyncio.Semaphore(AT_ONCE), home.policy_if_any()
    done = 0

    async def one(row: ClusterRow) -> Inspection | FleetError:
        nonlocal done
        async with limit:
            try:
                return await source_of(home, row).inspect(policy)
            except FleetError as error:
                return error
            finally:
                done += 1
                show(f"read {done} of {len(rows)} clusters")

    return await asyncio.gather(*(one(row) for row in rows))


class _Import:
    """One import: what the fleet has already, and what became of each context."""

    def __init__(self, home: Home, request: ImportRequest) -> None:
        known = home.store.clusters.list() if home.exists else []
        self._home, self._request = home, request
        self._there = {(row.kubeconfig, row.context): row.name for row in known}
        self._names = {row.name for row in known}
        self._uids = {row.uid: row.name for row in known if row.uid}
        self.results: list[ImportedContext] = []

    def row_of(self, context: str) -> ClusterRow | None:
        """Returns the row to add; None if the context cannot be used, or its cluster is in the fleet."""
        name = _cluster_name(context)
        try:
            row = new_row(name, self._request.kubeconfig, context, (self._request.site or name,))
        except FleetError as error:
            self.results.append(ImportedContext(context, name, "failed", message=error.reason))
            return None
        if (known := self._there.get((row.kubeconfig, row.context))) is not None:
            self.results.append(ImportedContext(context, known, "in-fleet"))
            return None
        return row

    def add(self, row: ClusterRow, found: Inspection | FleetError) -> None:
        """Adds the cluster, unless it did not answer, or is in the fleet under another name."""
        self.results.append(self._add(row, found))

    def _add(self, row: ClusterRow, found: Inspection | FleetError) -> ImportedContext:
        if isinstance(found, FleetError):
            return ImportedContext(row.context, row.name, "failed", message=found.full_message)
        if found.uid and found.uid in self._uids:
            return ImportedContext(row.context, self._uids[found.uid], "same-cluster")
        if row.name in self._names:
            message = f"another cluster of the fleet has the name {row.name}; add it by fleet cluster add"
            return ImportedContext(row.context, row.name, "failed", message=message)
        self._uids[found.uid] = row.name
        self._names.add(row.name)
        site = self._request.site or _site_of(found.snapshot, self._request.site_label) or row.name
        row = replace(row, sites=(site,), uid=found.uid)
        check = checked(row, found, self._home.policy_if_any())
        if self._request.dry_run:
            return ImportedContext(row.context, row.name, "would-add", row.sites, check)
        self._home.make().clusters.add(row)
        keep(self._home, replace(found.snapshot, site=site))
        return ImportedContext(row.context, row.name, "added", row.sites, check)


def _cluster_name(context: str) -> str:
    """Returns the context's name without what a cluster's name may not have: ARNs and full names of GKE have slashes
    and colons, and their last part names the cluster."""
    return context.rsplit("/", 1)[-1] or context


def _site_of(snapshot: Snapshot, label: str) -> str:
    """Returns the most frequent value of the label; the first in the alphabet of equally frequent ones. Empty without
    any."""
    values = Counter(value for node in snapshot.nodes if (value := node.labels.get(label)))
    return min(values, key=lambda value: (-values[value], value), default="")
