"""Warns when a plan is made, before anything is cordoned, about conditions of a snapshot that may make the rollout
differ from the plan.

What will hold a node is not a warning: the engine holds the node, in the plan as in the rollout
(`core/records/held.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import PlanWarning
from fleet.core.planning.plan_warnings.gate_warnings import gates_pass_in_the_plan, hooks_never_measured
from fleet.core.planning.plan_warnings.pod_warnings import (
    BUILT_IN,
    MovedPod,
    custom_resources,
    finalizer_warnings,
    first_names,
    moving_roles,
    volume_limits,
)
from fleet.core.planning.plan_warnings.time_warnings import (
    graces_cut_short,
    long_graces,
    one_after_another,
    short_timeouts,
    slow_deletions,
)
from fleet.core.planning.plan_warnings.window_warnings import short_windows, windows_that_never_open
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.rollout.goal import Goal

READ = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job")
"""The kinds of `BUILT_IN` that a snapshot contains."""

BUDGETS = "poddisruptionbudgets"

ATTACHMENTS = "volumeattachments"

SYSTEM = "kube-system"

MANY = 10
"""From this number of pods on, a dump of one namespace alone is unlikely to be the dump of a small cluster."""


def warnings(
    snapshots: Sequence[Snapshot],
    views: Mapping[str, ClusterView],
    policy: Policy,
    goals: Sequence[Goal],
    times: DurationEstimates,
    start: datetime,
) -> tuple[PlanWarning, ...]:
    """Returns the warnings about the nodes of the plan. `views`: the snapshots as they are at the `start`, by cluster.
    `goals`: the nodes that the plan is about."""
    collected: list[PlanWarning] = []
    for snapshot in snapshots:
        view = views[snapshot.cluster]
        own_goals = [goal for goal in goals if goal.node.cluster == snapshot.cluster]
        drained = list(_drained(view, policy, own_goals))
        for check in (_missing, _one_namespace):
            collected += check(snapshot)
        collected += _may_be_deleted(view, own_goals)
        collected += finalizer_warnings(snapshot.cluster, drained, start)
        collected += slow_deletions(snapshot.cluster, drained, start)
        collected += volume_limits(snapshot.cluster, drained)
        for pod_check in (custom_resources, moving_roles, long_graces, one_after_another, graces_cut_short):
            collected += pod_check(snapshot.cluster, view, drained)
    pools = [pool for pool in policy.pools if any(goal.pool == pool.name for goal in goals)]
    schedules = Schedules(policy)
    for pool in pools:
        collected += short_timeouts(pool, times, {goal.node: goal for goal in goals}, views)
        places = dict.fromkeys(
            schedules.of(pool.name, goal.node.cluster, goal.site) for goal in goals if goal.pool == pool.name
        )
        for place in places:
            found = (
                *windows_that_never_open(pool, start, place),
                *short_windows(pool, times, start, place),
            )
            collected += (each for each in found if each not in collected)
    names = {goal.pool for goal in goals}
    collected += gates_pass_in_the_plan(policy, names)
    collected += hooks_never_measured(policy, names, times)
    return tuple(collected)


def snapshot_warnings(policy: Policy, snapshot: Snapshot) -> tuple[PlanWarning, ...]:
    """Returns what a plan for every node in a pool would warn of, with default durations. The warning about volume
    limits is left out: every plan with volumes has it, and it is no fault of the cluster."""
    view = ClusterView.of(snapshot)
    goals = [
        Goal(NodeRef(snapshot.cluster, node.name), node.uid, pool.name)
        for node in snapshot.nodes
        if (pool := policy.pool_of(snapshot.cluster, node)) is not None
    ]
    collected = warnings(
        [snapshot], {snapshot.cluster: view}, policy, goals, DurationEstimates(), snapshot.at
    )
    return tuple(warning for warning in collected if warning.check != "volume-limits")


def _drained(view: ClusterView, policy: Policy, goals: Iterable[Goal]) -> Iterator[MovedPod]:
    for goal in goals:
        pool = policy.pool(goal.pool)
        if pool is not None:
            for pod, refs in view.drain_demand(goal.node.name).moving:
                yield MovedPod(pod, pool, goal.node.name, refs)


def _missing(snapshot: Snapshot) -> Iterator[PlanWarning]:
    """Yields warnings about objects that the plan depends on and that were not read."""
    moving = [pod for pod in snapshot.pods if pod.node and not pod.stays and not pod.finished]
    why = snapshot.missing.get(BUDGETS, "")
    if why and moving:
        message = (
            f"no PodDisruptionBudget was read ({why}): where the cluster has some, nodes wait for them or are held, "
            "and this plan does not know"
        )
        yield _warning(snapshot, "no-budgets", "PodDisruptionBudgets", message, _remedy(why, BUDGETS))
    yield from _attachments_unread(snapshot, moving)
    read = {(workload.kind, workload.namespace, workload.name) for workload in snapshot.workloads}
    unread: dict[str, dict[str, None]] = {}
    for pod in snapshot.pods:
        owner = pod.owner
        if owner is None or owner.kind not in READ or BUILT_IN[owner.kind] not in snapshot.missing:
            continue
        if (owner.kind, pod.namespace, owner.name) not in read:
            unread.setdefault(owner.kind, {})[f"{pod.namespace}/{owner.name}"] = None
    for kind, names in unread.items():
        why = snapshot.missing[BUILT_IN[kind]]
        message = (
            f"{len(names)} {kind}{'s' * (len(names) > 1)} of pods that are there {'were' if len(names) > 1 else 'was'} "
            f"not read ({why}): {first_names(names)}. The plan takes the pods that are there for all that are wanted"
        )
        yield _warning(snapshot, "no-workloads", f"{kind}s", message, _remedy(why, BUILT_IN[kind]))


def _attachments_unread(snapshot: Snapshot, moving: Sequence[Pod]) -> Iterator[PlanWarning]:
    """Yields a warning if fleet has no right to read VolumeAttachments: a rollout without that right does not wait for
    volumes to be detached. A dump without attachments causes no warning, because a plan presumes that volumes are
    detached in time anyway."""
    why = snapshot.missing.get(ATTACHMENTS, "")
    if _refused(why) and any(pod.claims or pod.own_claims for pod in moving):
        message = f"VolumeAttachments cannot be read ({why}): nodes are rebooted while volumes may still be attached"
        yield _warning(snapshot, "volumes-unread", "VolumeAttachments", message, _remedy(why, ATTACHMENTS))


def _refused(why: str) -> bool:
    return "forbidden" in why.lower()


def _remedy(why: str, resource: str) -> str:
    if _refused(why):
        return f"fleet cluster check says which right is missing to list {resource}"
    return f"have {resource} in the dump; fleet plan --save-dump does"


def _one_namespace(snapshot: Snapshot) -> Iterator[PlanWarning]:
    names = {pod.namespace for pod in snapshot.pods}
    if snapshot.missing and len(names) == 1 and SYSTEM not in names and len(snapshot.pods) >= MANY:
        message = f"all {len(snapshot.pods)} pods are in namespace {first_names(names)}: pods of others may be missing"
        yield _warning(
            snapshot,
            "one-namespace",
            first_names(names),
            message,
            "make the dump with -A, for all namespaces",
        )


def _may_be_deleted(view: ClusterView, goals: Sequence[Goal]) -> Iterator[PlanWarning]:
    """Yields warnings about nodes that another party may delete but has not begun to delete. The rollout works on such
    nodes."""
    by_notice: dict[tuple[str, str, str], list[str]] = {}
    for goal in goals:
        for notice in view.notices(goal.node.name):
            if not notice.holds:
                by_notice.setdefault((notice.party, notice.message, notice.mark), []).append(goal.node.name)
    for (party, message, mark), names in by_notice.items():
        yield PlanWarning(
            "may-be-deleted",
            view.name,
            party,
            f"{first_names(sorted(names))}: {message} ({mark}); such a node is a canary only where no other one can be",
            "nothing to do: a node that is deleted meanwhile is cancelled, and nothing has failed",
        )


def _warning(snapshot: Snapshot, check: str, subject: str, message: str, remedy: str) -> PlanWarning:
    return PlanWarning(check, snapshot.cluster, subject, message, remedy)
