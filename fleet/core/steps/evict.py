"""One pod of a node that is drained: it is evicted, or this is what it waits for."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.guards import budgets
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.policy import evictable
from fleet.core.policy.treatment import Treatment
from fleet.core.records.held import Held, Reason
from fleet.core.rollout import returning_pods
from fleet.core.rollout.action import Evict
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.state.agenda import EngineState


class ComesBackError(Exception):
    """The pod's workload has come back to the node too often: the run fails with these words."""

    def __init__(self, held: Held) -> None:
        super().__init__(f"{held.message}. {held.remedy}")


def evict(agenda: EngineState, rollout: Rollout, run: Run, pod: Pod, now: datetime) -> Held | None:
    """Evicts the pod, or returns what it waits for. Raises ComesBack."""
    # As it is after the evictions of this very decision.
    run = rollout.runs[run.node]
    view = agenda.view(run.node.cluster)
    treated = view.treatment(pod)
    if pod.deleting:
        names = evictable.finalizers(pod)
        why = f", finalizer {names}" if names else ""
        return evictable.stuck(pod, now) or Held(Reason.TERMINATING, str(pod.ref), {"why": why})
    if treated.do == "wait":
        return Held(Reason.POD_WAITS, str(pod.ref), {"by": treated.by})
    if agenda.in_flight((run.node, "evict", pod.uid)):
        return None
    workload = _counted_as(agenda, run, pod, now)
    refs = view.refs_of(pod)
    rule = rollout.pool(run).drain
    if held := evictable.held(pod, refs, rule, treated):
        return held
    taking = [ref for ref in refs if view.budgets[ref].charges(pod)]
    closed = next((ref for ref in taking if view.allowance(ref) < 1), None)
    if closed is not None and not (treated.do == "ask" and view.budgets[closed].never_allows):
        return budgets.asked(view, closed, pod, 0, 1, now)
    if held := _back(agenda, run, pod, workload, now):
        return held
    if not agenda.may_issue(run.node, "evict", now, pod.uid):
        return _refused(agenda, run.node, pod, treated)
    for ref in taking:
        view.add_pending_eviction(ref, pod)
    agenda.eviction_issued(run.node, workload, now)
    agenda.issue(
        rollout,
        Evict(
            id=agenda.next_id(rollout),
            rollout=rollout.id,
            node=run.node,
            uid=run.goal.uid,
            pod=pod.ref,
            pod_uid=pod.uid,
            grace_seconds=rule.grace_seconds,
            workload=workload,
            there=_there(agenda, run, pod, workload, now),
            asked=closed is not None,
        ),
    )
    return None


def unfinished(agenda: EngineState, rollout: Rollout, run: Run, pod: Pod) -> str:
    """Returns the pod's name and why it is still on the node, for the end of a drain that took too long."""
    view = agenda.view(run.node.cluster)
    treated = view.treatment(pod)
    words = agenda.last_error(run.node, "evict", pod.uid)
    if pod.deleting:
        names = evictable.finalizers(pod)
        words = f"it is being deleted, finalizer {names}" if names else "it is being deleted"
    elif treated.do == "wait":
        words = f"it has not ended ({treated.by})"
    elif not words and treated.do == "evict":
        refs = (ref for ref in view.refs_of(pod) if view.budgets[ref].charges(pod))
        closed = next((ref for ref in refs if view.allowance(ref) < 1), None)
        held = budgets.held(view.budgets[closed], 0, 1, view.workload_of(pod)) if closed is not None else None
        words = held.message if held is not None else ""
    if not words and (barred := evictable.held(pod, view.refs_of(pod), rollout.pool(run).drain, treated)):
        words = barred.message
    return f"{pod.ref}: {words}" if words else str(pod.ref)


def _counted_as(agenda: EngineState, run: Run, pod: Pod, now: datetime) -> str:
    """Returns the workload that the pod's eviction is remembered by: what keeps it running. Who makes pods or Jobs one
    after another gives each a name of its own: those that come to the node while it is drained are counted together."""
    view = agenda.view(run.node.cluster)
    own = view.controller_of(pod)
    if own in run.evicted or not view.is_one_off(pod):
        return own
    was_there = agenda.was_there(run.node, pod.uid)
    if was_there or _late_until(run, pod, agenda.returned_since(run.node, pod.uid, now)) is not None:
        return own
    kind = pod.owner.kind if pod.owner is not None else "Pod"
    return f"{kind} in {pod.namespace}"


def _back(agenda: EngineState, run: Run, pod: Pod, workload: str, now: datetime) -> Held | None:
    """Returns what holds a pod whose workload came back to the node, until its pause is over."""
    times = returning_pods.times_returned(run.evicted.get(workload), pod.uid)
    if not times:
        return None
    since = agenda.returned_since(run.node, pod.uid, now)
    if (end := _late_until(run, pod, since)) is not None:
        held = returning_pods.held(pod, workload, run.node.name, 1)
    else:
        held = returning_pods.held(pod, workload, run.node.name, times)
        if times > len(returning_pods.PAUSES):
            raise ComesBackError(held)
        # Of several pods that came back together each waits for the one before it.
        last = agenda.last_eviction(run.node, workload)
        begins = since if last is None else max(since, last)
        end = begins + timedelta(seconds=returning_pods.PAUSES[times - 1])
    if now >= end:
        return None
    agenda.wake_at(run.node, end)
    return held


def _there(agenda: EngineState, run: Run, pod: Pod, workload: str, now: datetime) -> int:
    """Returns how many of the workload's pods are known to have been on the node from the beginning."""
    view = agenda.view(run.node.cluster)
    known = run.evicted.get(workload)
    if known is None or not known.pods:
        own = (each for each in view.to_drain(run.node.name) if each.namespace == pod.namespace)
        return sum(_counted_as(agenda, run, each, now) == workload for each in own)
    if pod.uid in known.pods or _late_until(run, pod, agenda.returned_since(run.node, pod.uid, now)) is None:
        return known.there
    return max(known.there, len(known.pods) + 1)


def _late_until(run: Run, pod: Pod, since: datetime) -> datetime | None:
    """Until when it waits whether a pod that was first seen at `since` was bound before the cordon, and its news is
    late: the scheduler binds no such pod to a cordoned node. None: it cannot have been."""
    if run.begun is None or returning_pods.tolerates_cordons(pod):
        return None
    end = run.begun + returning_pods.LATE
    return end if since < end else None


def _refused(agenda: EngineState, node: NodeRef, pod: Pod, treated: Treatment) -> Held:
    words = agenda.last_error(node, "evict", pod.uid)
    if treated.do == "ask":
        return Held(Reason.ASKED, str(pod.ref), {"by": treated.by, "why": words or "no answer yet"})
    return Held(
        Reason.BACKOFF, str(pod.ref), {"what": f"eviction of {pod.ref}", "why": words or "it is not gone yet"}
    )
