"""Contradictions between the policy, budgets and quorum groups, in the inventory or in a dump."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from fleet.app.dumps import dump_of
from fleet.app.home import Home
from fleet.app.quorums import annotated
from fleet.core.errors import UsageError
from fleet.core.groups import Group
from fleet.core.lint import Lint, lint
from fleet.core.policy import Policy, Pool
from fleet.core.snapshot import Snapshot

EVERY_NODE = Policy(pools=(Pool("nodes"),))
"""Stands in for a policy file that is not there: all nodes, under the rules that a pool has by default."""


def lint_fleet(home: Home, clusters: Sequence[str] = ()) -> Lint:
    """As of the last sync. Raises ConfigError for a policy with mistakes, and UsageError where no cluster was read."""
    policy, _ = home.policy()
    rows = home.clusters(clusters)
    if not rows:
        raise UsageError("no cluster is known yet", "fleet cluster add NAME --kubeconfig FILE --site SITE")
    unread = [row.name for row in rows if row.last_seen is None]
    if len(unread) == len(rows):
        raise UsageError(f"{', '.join(unread)}: never read", "fleet sync")
    known = [home.store.inventory.snapshot(row.name) for row in rows if row.last_seen is not None]
    return lint(policy, known, unread, _annotated(known))


def lint_dump(home: Home, cluster: str, path: Path) -> Lint:
    """Judges a dump by the home's policy, or by `EVERY_NODE` where it has none. No database is needed.

    `cluster`: what the policy calls it; empty: as the file. Groups of other clusters are left out. Raises ConfigError
    for a policy with mistakes, and UsageError for what is no dump.
    """
    policy = home.policy()[0] if home.policy_file.exists() else EVERY_NODE
    snapshot = dump_of(home, path, policy, cluster)
    own = tuple(group for group in policy.quorums if group.cluster == snapshot.cluster)
    return lint(replace(policy, quorums=own), [snapshot], annotated=_annotated([snapshot]))


def _annotated(snapshots: Iterable[Snapshot]) -> dict[str, tuple[Group, ...]]:
    """What the workloads of each cluster declare, by its name."""
    return {each.cluster: annotated(each.workloads, each.cluster) for each in snapshots}
