"""Finds contradictions between the policy, budgets and quorum groups, in the inventory or in a dump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleet.app.planning.dumps import dump_of
from fleet.app.planning.gate_checks import unanswered_gates
from fleet.app.wiring.home import Home
from fleet.app.wiring.quorums import annotated
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.finding import LintFinding, LintResult
from fleet.core.linting.lint import lint
from fleet.core.linting.policy_checks import check_approvals, check_exceptions, check_streams, check_windows
from fleet.core.policy.policy import Policy, Pool
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.records.errors import UsageError
from fleet.drivers.journal.approvals import exceptions_of

if TYPE_CHECKING:
    from fleet.config import Caution

MEANT = "change or remove it: it is allowed, but hardly intended"
EVERY_NODE = Policy(pools=(Pool("nodes"),))
"""The policy that is used where there is no policy file: all nodes, under a pool's default rules."""


def lint_fleet(home: Home, clusters: Sequence[str] = ()) -> LintResult:
    """Checks the policy against the fleet as of the last sync; without a database, or without a cluster in it, the
    policy alone. No database is made. With a database, every gate is measured once.

    Raises ConfigError for a policy with mistakes, and UsageError for a named cluster that is unknown or was never
    read.
    """
    policy, cautions = home.read_policy()
    store = home.store_if_any
    if store is None and clusters:
        raise UsageError(
            f"no cluster {clusters[0]}: there is no database", "fleet cluster add; or leave out --cluster"
        )
    rows = home.clusters(clusters) if store is not None else []
    unread = [row.name for row in rows if row.last_seen is None]
    if clusters and len(unread) == len(rows):
        raise UsageError(f"{', '.join(unread)}: never read", "fleet sync")
    known = [store.inventory.snapshot(row.name) for row in rows if row.last_seen is not None] if store else []
    everyone = {row.name for row in store.clusters.list()} if store else set()
    own = _groups_of(policy, {row.name for row in rows}, everyone)
    gates = unanswered_gates(policy) if store is not None else ()
    every = exceptions_of(store.journal).values() if store is not None else ()
    decided = check_exceptions(every, home.now())
    found = lint(own, known, unread, _annotated(known), whole=not clusters)
    return _with(cautions, found, (*gates, *decided, *_policy_findings(home, policy, known)))


def lint_dump(home: Home, cluster: str, path: Path) -> LintResult:
    """Checks a dump against the home's policy, or against `EVERY_NODE` where the home has none. No database is needed.

    `cluster` is the policy's name for the dump's cluster; the default is the file's name. Groups of other clusters are
    left out. Raises ConfigError for a policy with mistakes, and UsageError for a file that is no dump.
    """
    policy, cautions = home.read_policy() if home.has_policy else (EVERY_NODE, ())
    snapshot = dump_of(home, path, policy, cluster)
    own = tuple(group for group in policy.quorums if group.cluster == snapshot.cluster)
    found = lint(replace(policy, quorums=own), [snapshot], annotated=_annotated([snapshot]), whole=False)
    return _with(cautions, found, _policy_findings(home, policy, [snapshot]))


def _policy_findings(home: Home, policy: Policy, snapshots: Sequence[Snapshot]) -> Iterator[LintFinding]:
    """Yields the findings about the policy alone."""
    nodes = [(snapshot.cluster, node) for snapshot in snapshots for node in snapshot.nodes]
    used = {pool.name for cluster, node in nodes if (pool := policy.pool_of(cluster, node)) is not None}
    yield from check_streams(policy)
    yield from check_approvals(policy, home.access())
    yield from check_windows(policy, home.now(), used)


def _groups_of(policy: Policy, chosen: Set[str], everyone: Set[str]) -> Policy:
    """Returns the policy with the groups of the chosen clusters, and of clusters that the fleet does not have: such a
    group is a mistake, unless the fleet has no cluster yet."""
    own = (group for group in policy.quorums if group.cluster in chosen or group.cluster not in everyone)
    return replace(policy, quorums=tuple(own) if chosen else ())


def _with(cautions: Iterable[Caution], found: LintResult, more: Iterable[LintFinding] = ()) -> LintResult:
    """Adds the policy's cautions, and more findings, to the result."""
    mine = (LintFinding("", "policy", str(caution.place), caution.message, MEANT) for caution in cautions)
    return replace(found, findings=tuple(sorted({*mine, *found.findings, *more})))


def _annotated(snapshots: Iterable[Snapshot]) -> dict[str, tuple[QuorumGroup, ...]]:
    """Returns the quorum groups that workloads declare by annotation, by cluster."""
    return {snapshot.cluster: annotated(snapshot.workloads, snapshot.cluster) for snapshot in snapshots}
