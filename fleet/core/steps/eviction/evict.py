"""Evicts one pod of a drained node, or finds the reason for which the pod waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.cluster import owners
from fleet.core.guards.pods import budgets
from fleet.core.objects.pod import Pod
from fleet.core.policy import evictable
from fleet.core.policy.treatment import Treatment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout import returning_pods
from fleet.core.rollout.action import Evict
from fleet.core.rollout.run import Run
from fleet.core.steps.context import StepContext


class ComesBackError(Exception):
    """The pod's workload has come back to the node too often: the run fails with this message."""

    def __init__(self, held: Held) -> None:
        super().__init__(f"{held.message}. {held.remedy}")


def evict(context: StepContext, pod: Pod, treated: Treatment) -> Held | None:
    """Evicts the pod, or returns the reason for which the pod waits. `treated`: what the drain does with the pod.

    Raises ComesBackError where the pod's workload has come back too often.
    """
    if pod.deleting:
        return evictable.stuck(pod, context.now) or _terminating(pod)
    # The run as it is after the evictions of this very decision.
    run = context.rollout.runs[context.ref]
    view = context.view
    if treated.do == "wait":
        return Held(Reason.POD_WAITS, str(pod.ref), {"by": treated.by})
    if context.in_flight("evict", pod.uid):
        return None
    refs = view.budget_index.refs_of(pod)
    rule = context.rollout.pool(run).drain
    if held := evictable.held(pod, refs, rule, treated):
        return held
    taking = [ref for ref in refs if view.budgets[ref].charges(pod)]
    closed = next((ref for ref in taking if view.pending_evictions.allowance(ref) < 1), None)
    if closed is not None and not (treated.do == "ask" and view.budgets[closed].never_allows):
        return budgets.why_refused(view, closed, pod, 0, 1, context.now)
    workload = _workload_name(context, run, pod)
    if held := _returned(context, run, pod, workload):
        return held
    if not context.may_issue("evict", pod.uid):
        return _refused(context, pod, treated)
    tied = bool(taking and view.capacity.tied_to_node(run.node.name, [pod]))
    for ref in taking:
        view.pending_evictions.add(ref, pod, tied)
    context.state.drains.eviction_issued(run.node, workload, context.now)
    context.issue(
        Evict,
        pod=pod.ref,
        pod_uid=pod.uid,
        grace_seconds=rule.grace_seconds,
        workload=workload,
        there=_pods_at_start(context, run, pod, workload),
        asked=closed is not None,
    )
    return None


def unfinished(context: StepContext, pod: Pod) -> str:
    """Returns the pod's name and why it is still on the node, for the end of a drain that took too long."""
    view = context.view
    treated = view.treatment(pod)
    cause = context.last_error("evict", pod.uid)
    if pod.deleting:
        names = evictable.finalizers(pod)
        cause = f"it is being deleted, finalizer {names}" if names else "it is being deleted"
    elif treated.do == "wait":
        cause = f"it has not ended ({treated.by})"
    elif not cause and treated.do == "evict":
        refs = (ref for ref in view.budget_index.refs_of(pod) if view.budgets[ref].charges(pod))
        closed = next((ref for ref in refs if view.pending_evictions.allowance(ref) < 1), None)
        held = (
            budgets.held(view.budgets[closed], 0, 1, owners.workload_of(pod, view.workloads))
            if closed is not None
            else None
        )
        cause = held.message if held is not None else ""
    if not cause and (
        barred := evictable.held(
            pod, view.budget_index.refs_of(pod), context.rollout.pool(context.run).drain, treated
        )
    ):
        cause = barred.message
    return f"{pod.ref}: {cause}" if cause else str(pod.ref)


def _terminating(pod: Pod) -> Held:
    names = evictable.finalizers(pod)
    return Held(Reason.TERMINATING, str(pod.ref), {"why": f", finalizer {names}" if names else ""})


def _workload_name(context: StepContext, run: Run, pod: Pod) -> str:
    """Returns the name of the workload under which the pod's eviction is recorded.

    A program that creates pods or Jobs one after another names each differently: those that come to the node while it is
    drained are counted together.
    """
    owner = owners.top_owner(pod, context.view.workloads)
    own = owners.name_with(owner, pod)
    if own in run.evicted or not owners.is_one_off(owner):
        return own
    drains = context.state.drains
    since = drains.returned_since(run.node, pod.uid, context.now)
    if drains.was_there_at_start(run.node, pod.uid) or _late_until(run, pod, since) is not None:
        return own
    kind = pod.owner.kind if pod.owner is not None else "Pod"
    return f"{kind} in {pod.namespace}"


def _returned(context: StepContext, run: Run, pod: Pod, workload: str) -> Held | None:
    """Returns what holds a pod whose workload came back to the node, until its pause is over."""
    times = returning_pods.times_returned(run.evicted.get(workload), pod.uid)
    if not times:
        return None
    since = context.state.drains.returned_since(run.node, pod.uid, context.now)
    if (end := _late_until(run, pod, since)) is not None:
        held = returning_pods.held(pod, workload, run.node.name, 1)
    else:
        held = returning_pods.held(pod, workload, run.node.name, times)
        if times > len(returning_pods.PAUSES):
            raise ComesBackError(held)
        # Where several pods came back together, each waits for the one before it.
        last = context.state.drains.last_eviction(run.node, workload)
        begins = since if last is None else max(since, last)
        end = begins + timedelta(seconds=returning_pods.PAUSES[times - 1])
    if context.now >= end:
        return None
    context.wake_at(end)
    return held


def _pods_at_start(context: StepContext, run: Run, pod: Pod, workload: str) -> int:
    """Returns how many of the workload's pods are known to have been on the node from the beginning."""
    view = context.view
    memory = run.evicted.get(workload)
    if memory is None or not memory.pods:
        return sum(
            other is pod or _workload_name(context, run, other) == workload
            for other in view.to_drain(run.node.name)
            if other.namespace == pod.namespace
        )
    if (
        pod.uid in memory.pods
        or _late_until(run, pod, context.state.drains.returned_since(run.node, pod.uid, context.now)) is None
    ):
        return memory.there
    return max(memory.there, len(memory.pods) + 1)


def _late_until(run: Run, pod: Pod, since: datetime) -> datetime | None:
    """Returns until when a pod that was first seen at `since` may be one that was bound before the cordon, if its event came
    late.

    The scheduler binds no such pod to a cordoned node. None: the pod cannot have been bound before the cordon.
    """
    if run.begun is None or returning_pods.tolerates_cordons(pod):
        return None
    end = run.begun + returning_pods.LATE
    return end if since < end else None


def _refused(context: StepContext, pod: Pod, treated: Treatment) -> Held:
    error = context.last_error("evict", pod.uid)
    if treated.do == "ask":
        return Held(Reason.ASKED, str(pod.ref), {"by": treated.by, "why": error or "no answer yet"})
    return Held(
        Reason.BACKOFF, str(pod.ref), {"what": f"eviction of {pod.ref}", "why": error or "it is not gone yet"}
    )
