"""Checks of windows: sites that no node is in, calendars that were never read, and rollouts that last too long."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from msgspec import UnsetType

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.linting.finding import LintFinding
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.lower_bound import bound
from fleet.core.policy.policy import Policy, site_of
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.times.freeze import FreezeScope
from fleet.core.rollout.goal import Goal
from fleet.core.text.durations import format_duration


def check_places(policy: Policy, snapshots: Sequence[Snapshot]) -> Iterator[LintFinding]:
    """Yields the sites and clusters that have windows or freezes and that no node is in, by the snapshots of the whole
    fleet. Their windows and freezes hold nobody, which a misspelled name would be the reason for."""
    if not snapshots:
        return
    clusters = {snapshot.cluster for snapshot in snapshots}
    sites = {site_of(node, snapshot.site) for snapshot in snapshots for node in snapshot.nodes}
    for level in () if isinstance(policy.levels, UnsetType) else policy.levels:
        known = {"site": sites, "cluster": clusters}.get(level.level)
        if known is not None and level.name not in known:
            message = (
                f"no node is in it, so its windows hold no run; there is {', '.join(sorted(known)) or 'none'}"
            )
            remedy = f"write the {level.level} as fleet cluster list has it, or take its windows away"
            yield LintFinding("", "window-nowhere", f"{level.level} {level.name}", message, remedy)
    scopes = [(freeze.name, freeze.scope) for freeze in policy.freezes]
    scopes += [(calendar.name, calendar.scope) for calendar in policy.calendars or ()]
    for name, scope in scopes:
        if scope:
            yield from _unknown_places(name, scope, sites, clusters)


def _unknown_places(
    name: str, scope: FreezeScope, sites: Collection[str], clusters: Collection[str]
) -> Iterator[LintFinding]:
    for level, named, known in (("site", scope.sites, sites), ("cluster", scope.clusters, clusters)):
        for place in named:
            if place not in known:
                there = ", ".join(sorted(known)) or "none"
                message = f"no node is in {level} {place}, so it holds no run there; there is {there}"
                remedy = f"write the {level} as fleet cluster list has it, or take it out of the freeze"
                yield LintFinding("", "freeze-nowhere", f"freeze {name}", message, remedy)


def check_calendars(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields the calendars that were never read and that hold every run in a pool of the cluster."""
    schedules = Schedules(policy)
    for goal in _goals(policy, snapshot):
        for name in schedules.of(goal.pool, snapshot.cluster, goal.site).unread:
            message = "its calendar was never read, so no run starts"
            yield LintFinding("", "calendar-unread", name, message, "fleet sync says why it cannot be read")


def check_patch_within(policy: Policy, snapshots: Sequence[Snapshot]) -> Iterator[LintFinding]:
    """Yields the pools whose rollout over all their nodes takes longer than `patch_within`, in any order."""
    views = {snapshot.cluster: ClusterView.of(snapshot) for snapshot in snapshots}
    every = [goal for snapshot in snapshots for goal in _goals(policy, snapshot)]
    for pool in policy.pools:
        goals = [goal for goal in every if goal.pool == pool.name]
        if not goals or isinstance(pool.patch_within_seconds, UnsetType):
            continue
        start = max(snapshot.at for snapshot in snapshots)
        least = bound(goals, views, policy, DurationEstimates(), frozenset(), start)
        if timedelta(seconds=least.seconds) > timedelta(seconds=pool.patch_within_seconds):
            clusters = {goal.node.cluster for goal in goals}
            message = (
                f"a rollout takes {format_duration(least.seconds)} at least ({least.by}), longer than patch_within "
                f"({format_duration(pool.patch_within_seconds)})"
            )
            remedy = "longer or more windows, or higher limits; fleet plan --what-if says which"
            where = clusters.pop() if len(clusters) == 1 else ""
            yield LintFinding(where, "patch-within", f"pool {pool.name}", message, remedy)


def _goals(policy: Policy, snapshot: Snapshot) -> list[Goal]:
    return [
        Goal(
            NodeRef(snapshot.cluster, node.name), node.uid, pool.name, site_of(node, snapshot.site), node.zone
        )
        for node in snapshot.nodes
        if (pool := policy.pool_of(snapshot.cluster, node)) is not None
    ]
