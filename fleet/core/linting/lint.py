"""Finds what in a policy, in budgets and in quorum groups contradicts itself, or can never be fulfilled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.budget_checks import check_budgets
from fleet.core.linting.carried_group import carried_groups
from fleet.core.linting.finding import LintResult
from fleet.core.linting.group_checks import (
    check_annotations,
    check_clusters,
    check_limits,
    check_size,
    check_spread,
)
from fleet.core.linting.snapshot_checks import (
    check_landings,
    check_losses,
    check_obstacles,
    check_others,
    check_plan_warnings,
    check_rebooters,
    check_skews,
)
from fleet.core.policy.policy import Policy
from fleet.core.quorum.groups import QuorumGroup


def lint(
    policy: Policy,
    snapshots: Sequence[Snapshot],
    unread: Sequence[str] = (),
    annotated: Mapping[str, Sequence[QuorumGroup]] = {},
) -> LintResult:
    """Returns all findings. `unread`: the clusters that were never read. `annotated`: the quorum groups that
    annotations of workloads declare, by cluster."""
    found = list(check_clusters(policy, {*unread, *(snapshot.cluster for snapshot in snapshots)}))
    for snapshot in snapshots:
        nodes = {node.name: node for node in snapshot.nodes}
        declared = annotated.get(snapshot.cluster, ())
        found += check_annotations(policy, snapshot.cluster, declared)
        groups = carried_groups(policy, snapshot, declared)
        for group in groups:
            found += check_size(snapshot.cluster, group)
            found += check_spread(snapshot.cluster, group, nodes)
            found += check_limits(snapshot.cluster, group, policy, nodes)
        found += check_budgets(snapshot, groups)
        found += check_skews(snapshot)
        found += check_rebooters(snapshot)
        found += check_others(snapshot)
        found += check_obstacles(
            policy, snapshot, {each.subject for each in found if each.check == "budget-never"}
        )
        found += check_losses(policy, snapshot)
        found += check_plan_warnings(policy, snapshot)
        found += check_landings(policy, snapshot)
    return LintResult(
        tuple(sorted(set(found))), tuple(snapshot.cluster for snapshot in snapshots), tuple(unread)
    )
