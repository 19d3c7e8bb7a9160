"""Finds contradictions in a policy, in budgets and in quorum groups, and requirements that can never be fulfilled."""

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
from fleet.core.linting.pool_checks import check_members, check_overlaps
from fleet.core.linting.snapshot_checks import (
    check_landings,
    check_losses,
    check_obstacles,
    check_others,
    check_plan_warnings,
    check_rebooters,
    check_skews,
)
from fleet.core.linting.standing_checks import check_circles, check_dates, check_soaks
from fleet.core.linting.window_checks import check_calendars, check_patch_within, check_places
from fleet.core.policy.policy import Policy
from fleet.core.quorum.groups import QuorumGroup


def lint(
    policy: Policy,
    snapshots: Sequence[Snapshot],
    unread: Sequence[str] = (),
    annotated: Mapping[str, Sequence[QuorumGroup]] = {},
    *,
    whole: bool = True,
) -> LintResult:
    """Returns all findings. `unread`: the clusters that were never read. `annotated`: the quorum groups that
    annotations of workloads declare, by cluster. `whole`: these are all clusters of the fleet, so that what is in none
    of them is nowhere."""
    findings = list(check_clusters(policy, {*unread, *(snapshot.cluster for snapshot in snapshots)}))
    for snapshot in snapshots:
        nodes = {node.name: node for node in snapshot.nodes}
        declared = annotated.get(snapshot.cluster, ())
        findings += check_annotations(policy, snapshot.cluster, declared)
        groups = carried_groups(policy, snapshot, declared)
        for group in groups:
            findings += check_size(snapshot.cluster, group)
            findings += check_spread(snapshot.cluster, group, nodes)
            findings += check_limits(snapshot.cluster, group, policy, nodes)
        findings += check_budgets(snapshot, groups)
        findings += check_skews(snapshot)
        findings += check_rebooters(snapshot)
        findings += check_others(snapshot)
        findings += check_obstacles(
            policy, snapshot, {finding.subject for finding in findings if finding.check == "budget-never"}
        )
        findings += check_losses(policy, snapshot)
        findings += check_plan_warnings(policy, snapshot)
        findings += check_landings(policy, snapshot)
        findings += check_overlaps(policy, snapshot)
        findings += check_calendars(policy, snapshot)
    findings += check_patch_within(policy, snapshots)
    findings += check_dates(policy)
    findings += check_circles(policy)
    if whole and not unread:
        findings += check_places(policy, snapshots)
        findings += check_members(policy, snapshots)
        findings += check_soaks(policy, snapshots)
    return LintResult(
        tuple(sorted(set(findings))), tuple(snapshot.cluster for snapshot in snapshots), tuple(unread)
    )
