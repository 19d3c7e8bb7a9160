"""Warnings about time: pods that stop slowly, budgets that let pods go one after another, and timeouts that are
short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import PlanWarning
from fleet.core.planning.plan_warnings.pod_warnings import MovedPod, first_names, pods_text
from fleet.core.policy.evictable import grace_of
from fleet.core.policy.policy import Pool
from fleet.core.rollout.goal import Goal
from fleet.core.text.durations import format_duration

LONG_GRACE_SECONDS = 300
"""Seconds. A plan warns about pods that may need at least this long to stop; the default grace period of Kubernetes is
30."""


def slow_deletions(cluster: str, drained: Sequence[MovedPod], start: datetime) -> Iterator[PlanWarning]:
    """Yields a warning about pods that are being deleted already and may take long to stop. The plan expects what pods
    usually take."""
    until, long = start + timedelta(seconds=LONG_GRACE_SECONDS), []
    for moved_pod in drained:
        if moved_pod.pod.gone_by is not None and moved_pod.pod.gone_by >= start + timedelta(
            seconds=LONG_GRACE_SECONDS
        ):
            until = max(until, moved_pod.pod.gone_by)
            long.append(str(moved_pod.pod.ref))
    if long:
        message = (
            f"{pods_text(len(long))} that {'are' if len(long) > 1 else 'is'} being deleted may take until "
            f"{until:%Y-%m-%d %H:%M} UTC to stop: {first_names(long)}; the plan expects what "
            "pods usually take"
        )
        remedy = (
            "nothing to do: a node whose pod has more time than drain.timeout is begun once the pod is gone"
        )
        yield PlanWarning("leaving", cluster, first_names(long), message, remedy)


def long_graces(cluster: str, view: ClusterView, drained: Sequence[MovedPod]) -> Iterator[PlanWarning]:
    """Yields a warning for each pool about pods that may take long to stop, but not longer than drain.timeout. The plan
    expects what pods usually take."""
    pools: dict[str, list[tuple[int, MovedPod]]] = {}
    for moved_pod in drained:
        seconds = grace_of(moved_pod.pod, moved_pod.pool.drain)
        if (
            not moved_pod.pod.deleting
            and LONG_GRACE_SECONDS <= seconds <= moved_pod.pool.drain.timeout_seconds
        ):
            pools.setdefault(moved_pod.pool.name, []).append((seconds, moved_pod))
    for name, long in pools.items():
        longest, first = max(long, key=lambda pair: (pair[0], pair[1].pod.ref))
        message = (
            f"{pods_text(len(long))} may take up to {format_duration(longest)} ({longest} s) to stop: "
            f"{first_names(_refs(long))}; the plan expects what pods usually take, "
            f"drain.timeout is {format_duration(first.pool.drain.timeout_seconds)}"
        )
        yield PlanWarning("long-grace", cluster, f"pool {name}", message, "drain.grace cuts it short")


def _refs(pods: Iterable[tuple[int, MovedPod]]) -> list[str]:
    return [str(moved_pod.pod.ref) for _, moved_pod in pods]


def one_after_another(cluster: str, view: ClusterView, drained: Sequence[MovedPod]) -> Iterator[PlanWarning]:
    """Yields a warning for each budget that lets the pods of one node go one after another, if that may take longer
    than drain.timeout."""
    together: dict[tuple[str, PodRef], list[MovedPod]] = {}
    for moved_pod in drained:
        for ref in moved_pod.budgets:
            if view.budgets[ref].charges(moved_pod.pod):
                together.setdefault((moved_pod.node, ref), []).append(moved_pod)
    worst: dict[PodRef, tuple[int, int, str, Pool]] = {}
    for (node, ref), pods in together.items():
        room = max(1, view.budgets[ref].most_at_once)
        graces = [grace_of(moved_pod.pod, moved_pod.pool.drain) for moved_pod in pods]
        seconds, limit = -(-len(pods) // room) * max(graces), pods[0].pool.drain.timeout_seconds
        if max(graces) <= limit < seconds:
            worst[ref] = max(
                worst.get(ref, (0, 0, "", pods[0].pool)), (seconds, len(pods), node, pods[0].pool)
            )
    for ref, (seconds, count, node, pool) in worst.items():
        message = (
            f"it lets {max(1, view.budgets[ref].most_at_once)} of {count} pods on {node} go at a time: if each takes "
            f"its whole grace, that is {format_duration(seconds)} ({seconds} s), and drain.timeout is "
            f"{format_duration(pool.drain.timeout_seconds)} ({pool.drain.timeout_seconds} s)"
        )
        remedy = f"raise drain.timeout of pool {pool.name}, cut with drain.grace, or spread the pods"
        yield PlanWarning("one-after-another", cluster, str(ref), message, remedy)


def graces_cut_short(cluster: str, view: ClusterView, drained: Sequence[MovedPod]) -> Iterator[PlanWarning]:
    """Yields a warning for each pool whose drain.grace is less than a pod asks for: such a pod is killed before it has
    shut down."""
    pools: dict[str, list[tuple[int, MovedPod]]] = {}
    for moved_pod in drained:
        grace = moved_pod.pool.drain.grace_seconds
        if grace is not None and grace < moved_pod.pod.grace_seconds:
            pools.setdefault(moved_pod.pool.name, []).append((moved_pod.pod.grace_seconds, moved_pod))
    for name, cut in pools.items():
        longest, first = max(cut, key=lambda pair: (pair[0], pair[1].pod.ref))
        message = (
            f"drain.grace gives {pods_text(len(cut))} {first.pool.drain.grace_seconds} s to stop, fewer than they ask for "
            f"({longest} s at most): {first_names(_refs(cut))}"
        )
        yield PlanWarning(
            "grace-cut", cluster, f"pool {name}", message, "unset drain.grace, if they need their time"
        )


def short_timeouts(
    pool: Pool, times: DurationEstimates, goals: Mapping[NodeRef, Goal], views: Mapping[str, ClusterView]
) -> Iterator[PlanWarning]:
    """Yields a warning where a slow one of the measured runs took longer than the policy's timeout allows."""
    systems = {
        machine.os if (machine := views[ref.cluster].machines.get(ref.name)) is not None else ""
        for ref, goal in goals.items()
        if goal.pool == pool.name
    }
    for part, limit in (("stage", pool.stage.timeout_seconds), ("reboot", pool.reboot.timeout_seconds)):
        for os in sorted(systems):
            estimate = times.estimate(part, pool.name, os)
            if estimate.samples and estimate.p95 > limit:
                message = (
                    f"{part}.timeout is {format_duration(limit)} ({limit} s), and of {estimate.samples} measured runs "
                    f"one in twenty took {format_duration(estimate.p95)} ({estimate.p95:.0f} s) or longer: such a run fails"
                )
                yield PlanWarning(
                    f"{part}-timeout", "", f"pool {pool.name}", message, f"raise {part}.timeout of the pool"
                )
