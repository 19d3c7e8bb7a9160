"""What stands in a snapshot and may make a plan come out otherwise: said when planning, before anything is cordoned.

What will hold a node is no warning: the engine holds it, in the plan as in the rollout (`core/records/held.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import PlanWarning
from fleet.core.policy import windows
from fleet.core.policy.evictable import finalizers, grace_of, stuck
from fleet.core.policy.policy import Policy, Pool
from fleet.core.rollout.goal import Goal
from fleet.core.text.durations import format_duration

BUILT_IN = {
    "ReplicaSet": "replicasets",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "ReplicationController": "replicationcontrollers",
    "Node": "nodes",
}
"""Kinds of controllers that Kubernetes itself works, with their resources."""
READ = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job")
"""Of these, those that a snapshot has."""
BUDGETS = "poddisruptionbudgets"
ATTACHMENTS = "volumeattachments"
JOB_TRACKING = "batch.kubernetes.io/job-tracking"
"""On every pod of a Job: the Job's controller takes it away once it has counted the pod."""
LONG_GRACE_SECONDS = 300
"""Seconds to stop from which a plan says that they may be needed: the usual grace is 30."""
SYSTEM = "kube-system"
MANY = 10
"""Pods from which a dump of one namespace alone is no small cluster."""
NAMED = 3
"""Names that a warning has; there may be thousands."""


class Drained(NamedTuple):
    """A pod that a plan moves."""

    pod: Pod
    pool: Pool
    node: str
    budgets: tuple[PodRef, ...]


def warnings(
    snapshots: Sequence[Snapshot],
    views: Mapping[str, ClusterView],
    policy: Policy,
    goals: Sequence[Goal],
    times: DurationEstimates,
    start: datetime,
) -> tuple[PlanWarning, ...]:
    """`views`: of the snapshots, at the `start`. `goals`: the nodes that the plan is about."""
    found: list[PlanWarning] = []
    for snapshot in snapshots:
        view = views[snapshot.cluster]
        own = [goal for goal in goals if goal.node.cluster == snapshot.cluster]
        drained = list(_drained(view, policy, own))
        for check in (_missing, _one_namespace):
            found += check(snapshot)
        found += _may_be_deleted(view, own)
        found += _finalizers(snapshot.cluster, drained, start)
        found += _leaving(snapshot.cluster, drained, start)
        found += _volume_limits(snapshot.cluster, drained)
        for look in (_operators, _roles, _graces, _one_after_another, _cut_short):
            found += look(snapshot.cluster, view, drained)
    pools = [pool for pool in policy.pools if any(goal.pool == pool.name for goal in goals)]
    for pool in pools:
        found += _limits_of_time(pool, times, {goal.node: goal for goal in goals}, views)
        found += _windows(pool, times, start)
    return tuple(found)


def snapshot_warnings(policy: Policy, snapshot: Snapshot) -> tuple[PlanWarning, ...]:
    """Returns what a plan for every node in a pool would warn of, with the times that are usual. What a plan always says
    where pods have volumes is left out: it is no fault of the cluster."""
    view = ClusterView.of(snapshot)
    goals = [
        Goal(NodeRef(snapshot.cluster, node.name), node.uid, pool.name)
        for node in snapshot.nodes
        if (pool := policy.pool_of(snapshot.cluster, node)) is not None
    ]
    found = warnings([snapshot], {snapshot.cluster: view}, policy, goals, DurationEstimates(), snapshot.at)
    return tuple(each for each in found if each.check != "volume-limits")


def _drained(view: ClusterView, policy: Policy, goals: Iterable[Goal]) -> Iterator[Drained]:
    for goal in goals:
        pool = policy.pool(goal.pool)
        if pool is not None:
            for pod, refs in view.drain_demand(goal.node.name).moving:
                yield Drained(pod, pool, goal.node.name, refs)


def _missing(snapshot: Snapshot) -> Iterator[PlanWarning]:
    """What the plan would have gone by, and was not read."""
    moving = [pod for pod in snapshot.pods if pod.node and not pod.stays and not pod.finished]
    why = snapshot.missing.get(BUDGETS, "")
    if why and moving:
        told = (
            f"no PodDisruptionBudget was read ({why}): where the cluster has some, nodes wait for them or are held, "
            "and this plan does not know"
        )
        yield _warning(snapshot, "no-budgets", "PodDisruptionBudgets", told, _how(why, BUDGETS))
    yield from _attachments_unread(snapshot, moving)
    known = {(each.kind, each.namespace, each.name) for each in snapshot.workloads}
    lacking: dict[str, dict[str, None]] = {}
    for pod in snapshot.pods:
        owner = pod.owner
        if owner is None or owner.kind not in READ or BUILT_IN[owner.kind] not in snapshot.missing:
            continue
        if (owner.kind, pod.namespace, owner.name) not in known:
            lacking.setdefault(owner.kind, {})[f"{pod.namespace}/{owner.name}"] = None
    for kind, names in lacking.items():
        why = snapshot.missing[BUILT_IN[kind]]
        told = (
            f"{len(names)} {kind}{'s' * (len(names) > 1)} of pods that are there {'were' if len(names) > 1 else 'was'} "
            f"not read ({why}): {some(names)}. The plan takes the pods that are there for all that are wanted"
        )
        yield _warning(snapshot, "no-workloads", f"{kind}s", told, _how(why, BUILT_IN[kind]))


def _attachments_unread(snapshot: Snapshot, moving: Sequence[Pod]) -> Iterator[PlanWarning]:
    """A dump without attachments is no warning: the plan has them detached in time anyway. A rollout without the right
    to read them goes on without the wait."""
    why = snapshot.missing.get(ATTACHMENTS, "")
    if _refused(why) and any(pod.claims or pod.own_claims for pod in moving):
        told = f"VolumeAttachments cannot be read ({why}): nodes are rebooted while volumes may still be attached"
        yield _warning(snapshot, "volumes-unread", "VolumeAttachments", told, _how(why, ATTACHMENTS))


def _refused(why: str) -> bool:
    return "forbidden" in why.lower()


def _how(why: str, resource: str) -> str:
    if _refused(why):
        return f"fleet cluster check says which right is missing to list {resource}"
    return f"have {resource} in the dump; fleet plan --save-dump does"


def _one_namespace(snapshot: Snapshot) -> Iterator[PlanWarning]:
    names = {pod.namespace for pod in snapshot.pods}
    if snapshot.missing and len(names) == 1 and SYSTEM not in names and len(snapshot.pods) >= MANY:
        told = f"all {len(snapshot.pods)} pods are in namespace {some(names)}: pods of others may be missing"
        yield _warning(
            snapshot, "one-namespace", some(names), told, "make the dump with -A, for all namespaces"
        )


def _may_be_deleted(view: ClusterView, goals: Sequence[Goal]) -> Iterator[PlanWarning]:
    """Nodes that another party may delete, and does not yet: they are worked on."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for goal in goals:
        for each in view.notices(goal.node.name):
            if not each.holds:
                found.setdefault((each.party, each.message, each.mark), []).append(goal.node.name)
    for (party, told, mark), names in found.items():
        yield PlanWarning(
            "may-be-deleted",
            view.name,
            party,
            f"{some(sorted(names))}: {told} ({mark}); such a node is a canary only where no other one can be",
            "nothing to do: a node that is deleted meanwhile is cancelled, and nothing has failed",
        )


def _operators(cluster: str, view: ClusterView, drained: Sequence[Drained]) -> Iterator[PlanWarning]:
    """Pods of custom resources: only their operator knows what becomes of one that is evicted."""
    kinds: dict[str, dict[str, None]] = {}
    for each in drained:
        owner = each.pod.owner
        if owner is not None and owner.kind not in BUILT_IN:
            kinds.setdefault(owner.kind, {})[f"{each.pod.namespace}/{owner.name}"] = None
    for kind, names in kinds.items():
        what = "another pod" if kind == "Pod" else f"a custom resource ({kind})"
        told = (
            f"pods of {some(names)} belong to {what}: whether its operator makes an evicted pod anew, when and where, is "
            "not known; the plan takes it to come back at once, as it was"
        )
        remedy = "see what its operator does when a node is drained; a drain rule can hold its pods"
        yield PlanWarning("operator", cluster, kind, told, remedy)


def _finalizers(cluster: str, drained: Sequence[Drained], start: datetime) -> Iterator[PlanWarning]:
    """Pods that are gone only once somebody has taken their finalizers away."""
    found: dict[str, dict[str, None]] = {}
    for each in drained:
        if not each.pod.finalizers or each.pod.finalizer_names == (JOB_TRACKING,):
            continue
        if stuck(each.pod, start) is None:
            found.setdefault(finalizers(each.pod), {})[str(each.pod.ref)] = None
    for names, refs in found.items():
        told = (
            f"{_pods(len(refs))} with finalizer {names}: {some(refs)}. Such a pod is gone only once what owns the "
            "finalizer has taken it away; the plan takes it to do so as soon as the pod has stopped"
        )
        remedy = f"see that what owns {names} runs; a drain that waits for it for drain.timeout fails"
        yield PlanWarning("finalizers", cluster, some(refs), told, remedy)


def _roles(cluster: str, view: ClusterView, drained: Sequence[Drained]) -> Iterator[PlanWarning]:
    """Budgets that select by a label which an operator moves."""
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for each in drained:
        for ref in each.budgets:
            label = view.roles.selecting(view.budgets[ref], each.pod)
            if label and not view.standbys.lacking(each.pod):
                found.setdefault(view.workload_of(each.pod), (label, {}))[1][str(ref)] = None
    for workload, (label, refs) in found.items():
        told = (
            f"its pods differ in {label}, by which {some(refs)} select{'s' * (len(refs) == 1)} them: an operator may "
            "move it to another pod, and to which is not known. What the plan says of nodes with these pods may come "
            "out otherwise"
        )
        remedy = (
            f"switch {workload} over to a pod whose node is done; nodes whose budget refuses wait meanwhile"
        )
        yield PlanWarning("role-moves", cluster, workload, told, remedy)


def _leaving(cluster: str, drained: Sequence[Drained], start: datetime) -> Iterator[PlanWarning]:
    """Pods that somebody has deleted and that may take long to stop: the plan expects what pods usually take."""
    until, long = start + timedelta(seconds=LONG_GRACE_SECONDS), []
    for each in drained:
        if each.pod.gone_by is not None and each.pod.gone_by >= start + timedelta(seconds=LONG_GRACE_SECONDS):
            until = max(until, each.pod.gone_by)
            long.append(str(each.pod.ref))
    if long:
        told = (
            f"{_pods(len(long))} that {'are' if len(long) > 1 else 'is'} being deleted may take until "
            f"{until:%Y-%m-%d %H:%M} UTC to stop: {some(long)}; the plan expects what "
            "pods usually take"
        )
        remedy = (
            "nothing to do: a node whose pod has more time than drain.timeout is begun once the pod is gone"
        )
        yield PlanWarning("leaving", cluster, some(long), told, remedy)


def _volume_limits(cluster: str, drained: Sequence[Drained]) -> Iterator[PlanWarning]:
    """Yields that how many volumes a node can attach is not looked at. Source: kube-scheduler, plugin NodeVolumeLimits."""
    moved = [str(each.pod.ref) for each in drained if each.pod.mounted]
    if moved:
        told = (
            f"{_pods(len(moved))} with persistent volumes move{'s' * (len(moved) == 1)}: {some(moved)}. How many volumes "
            "a node can attach (NodeVolumeLimits) is not looked at"
        )
        remedy = "compare with spec.drivers[].allocatable.count of the CSINodes if nodes are near their limit"
        yield PlanWarning("volume-limits", cluster, "volumes", told, remedy)


def _graces(cluster: str, view: ClusterView, drained: Sequence[Drained]) -> Iterator[PlanWarning]:
    """Pods that may take long to stop, though not too long: the plan expects what pods usually take."""
    pools: dict[str, list[tuple[int, Drained]]] = {}
    for each in drained:
        seconds = grace_of(each.pod, each.pool.drain)
        if not each.pod.deleting and LONG_GRACE_SECONDS <= seconds <= each.pool.drain.timeout_seconds:
            pools.setdefault(each.pool.name, []).append((seconds, each))
    for name, long in pools.items():
        most, first = max(long, key=lambda pair: (pair[0], pair[1].pod.ref))
        told = (
            f"{_pods(len(long))} may take up to {format_duration(most)} ({most} s) to stop: {some(_refs(long))}; the plan "
            f"expects what pods usually take, drain.timeout is {format_duration(first.pool.drain.timeout_seconds)}"
        )
        yield PlanWarning("long-grace", cluster, f"pool {name}", told, "drain.grace cuts it short")


def _refs(found: Iterable[tuple[int, Drained]]) -> list[str]:
    return [str(each.pod.ref) for _, each in found]


def _one_after_another(cluster: str, view: ClusterView, drained: Sequence[Drained]) -> Iterator[PlanWarning]:
    """Pods of one budget on one node, which it lets go one after another, may take longer than the drain has."""
    together: dict[tuple[str, PodRef], list[Drained]] = {}
    for each in drained:
        for ref in each.budgets:
            if view.budgets[ref].charges(each.pod):
                together.setdefault((each.node, ref), []).append(each)
    worst: dict[PodRef, tuple[int, int, str, Pool]] = {}
    for (node, ref), own in together.items():
        room = max(1, view.budgets[ref].most_at_once)
        graces = [grace_of(each.pod, each.pool.drain) for each in own]
        seconds, limit = -(-len(own) // room) * max(graces), own[0].pool.drain.timeout_seconds
        if max(graces) <= limit < seconds:
            worst[ref] = max(worst.get(ref, (0, 0, "", own[0].pool)), (seconds, len(own), node, own[0].pool))
    for ref, (seconds, count, node, pool) in worst.items():
        told = (
            f"it lets {max(1, view.budgets[ref].most_at_once)} of {count} pods on {node} go at a time: if each takes "
            f"its whole grace, that is {format_duration(seconds)} ({seconds} s), and drain.timeout is "
            f"{format_duration(pool.drain.timeout_seconds)} ({pool.drain.timeout_seconds} s)"
        )
        remedy = f"raise drain.timeout of pool {pool.name}, cut with drain.grace, or spread the pods"
        yield PlanWarning("one-after-another", cluster, str(ref), told, remedy)


def _cut_short(cluster: str, view: ClusterView, drained: Sequence[Drained]) -> Iterator[PlanWarning]:
    """drain.grace that is less than a pod asks for: it is killed before it has ended."""
    pools: dict[str, list[tuple[int, Drained]]] = {}
    for each in drained:
        grace = each.pool.drain.grace_seconds
        if grace is not None and grace < each.pod.grace_seconds:
            pools.setdefault(each.pool.name, []).append((each.pod.grace_seconds, each))
    for name, cut in pools.items():
        most, first = max(cut, key=lambda pair: (pair[0], pair[1].pod.ref))
        told = (
            f"drain.grace gives {_pods(len(cut))} {first.pool.drain.grace_seconds} s to stop, fewer than they ask for "
            f"({most} s at most): {some(_refs(cut))}"
        )
        yield PlanWarning(
            "grace-cut", cluster, f"pool {name}", told, "unset drain.grace, if they need their time"
        )


def _limits_of_time(
    pool: Pool, times: DurationEstimates, goals: Mapping[NodeRef, Goal], views: Mapping[str, ClusterView]
) -> Iterator[PlanWarning]:
    """What a slow one of the measured runs took, beyond what the policy gives it."""
    systems = {
        machine.os if (machine := views[ref.cluster].machines.get(ref.name)) is not None else ""
        for ref, goal in goals.items()
        if goal.pool == pool.name
    }
    for part, limit in (("stage", pool.stage.timeout_seconds), ("reboot", pool.reboot.timeout_seconds)):
        for os in sorted(systems):
            known = times.estimate(part, pool.name, os)
            if known.samples and known.p95 > limit:
                told = (
                    f"{part}.timeout is {format_duration(limit)} ({limit} s), and of {known.samples} measured runs "
                    f"one in twenty took {format_duration(known.p95)} ({known.p95:.0f} s) or longer: such a run fails"
                )
                yield PlanWarning(
                    f"{part}-timeout", "", f"pool {pool.name}", told, f"raise {part}.timeout of the pool"
                )


def _windows(pool: Pool, times: DurationEstimates, start: datetime) -> Iterator[PlanWarning]:
    """A window in which a run may begin and not end."""
    if not pool.windows:
        return
    opened = windows.open_spans(pool.windows, (), start, start + timedelta(weeks=4))
    longest = max((end - begin for begin, end in opened), default=timedelta())
    reboot = times.estimate("reboot", pool.name).p95
    needed = reboot + times.estimate("pod_stop").p95 + times.estimate("pod_start").p95 + pool.soak_seconds
    if opened and longest.total_seconds() < needed:
        told = (
            f"its longest window is {format_duration(longest.total_seconds())}, and a slow run takes "
            f"{format_duration(needed)}: runs end after the window"
        )
        yield PlanWarning(
            "window-short", "", f"pool {pool.name}", told, "make a window longer, or soak shorter"
        )


def _warning(snapshot: Snapshot, check: str, subject: str, told: str, remedy: str) -> PlanWarning:
    return PlanWarning(check, snapshot.cluster, subject, told, remedy)


def _pods(count: int) -> str:
    return f"{count} pod{'s' * (count != 1)}"


def some(names: Collection[str]) -> str:
    """The first few of them, and how many more there are."""
    told = ", ".join(list(names)[:NAMED])
    return f"{told} and {len(names) - NAMED} more" if len(names) > NAMED else told
