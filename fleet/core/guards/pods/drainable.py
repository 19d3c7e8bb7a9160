"""Holds a node whose pods cannot all be drained now: pods that must not go, budgets, and room on other nodes."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.core.cluster.drain_demand import DrainDemand
from fleet.core.cluster.view import ClusterView
from fleet.core.guards.context import Blocker, GuardContext
from fleet.core.guards.pods import budgets, capacity
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.policy import evictable
from fleet.core.policy.treatment import Treatment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.state.wait_queue import WaitKey


def held(context: GuardContext) -> Iterator[Blocker]:
    """Yields what keeps the node's pods from being drained now, the cheapest question first."""
    demand = context.view.drain_demand(context.ref.name)
    yield from _of_pods(context, demand)
    yield from _of_budgets(context, demand)
    yield from _of_room(context, demand)


def _of_pods(context: GuardContext, demand: DrainDemand) -> Iterator[Blocker]:
    ref, view = context.ref, context.view
    rule = context.rollout.pool(context.run).drain
    for pod in demand.deleting:
        if stuck := evictable.stuck(pod, context.now) or evictable.going(pod, rule):
            yield WaitKey("node", ref), stuck
    for pod, pod_held in demand.held(rule):
        several = pod_held.reason is Reason.SEVERAL_BUDGETS
        yield WaitKey("budgets", (ref.cluster, pod.namespace)) if several else WaitKey("node", ref), pod_held
    for group in groups_asked(view, ref) if demand.treated else ():
        if other := context.index.operator_requests.other_node(ref, group):
            yield (
                WaitKey("operator", (ref.cluster, group)),
                Held(Reason.ASK_TURN, group, {"node": other.name}),
            )


def _of_budgets(context: GuardContext, demand: DrainDemand) -> Iterator[Blocker]:
    ref, view, wakeups = context.ref, context.view, context.index.wakeups
    # A node that stands in line in vain is given back, and nothing takes back what hooks before the node have done.
    hooked = context.rollout.pool(context.run).has_hooks_before
    free_evictions = wakeups.free_evictions if hooked else wakeups.free_evictions_soon
    for budget, (count, pod) in demand.needs(view.budgets).items():
        if count > 1 and (together := capacity.together(ref.name, view, budget, count)):
            yield wakeups.pinned_key(ref), together
        free = free_evictions(budget, view)
        if budget_held := budgets.why_refused(view, budget, pod, free, count, context.now):
            yield WaitKey("budget", (ref.cluster, budget)), budget_held


def _of_room(context: GuardContext, demand: DrainDemand) -> Iterator[Blocker]:
    if context.rollout.pool(context.run).drain.no_room == "evict":
        return
    ref, view, wakeups = context.ref, context.view, context.index.wakeups
    if lacking := capacity.held(ref.name, demand.moving, view.capacity, wakeups.in_work(ref.cluster)):
        yield wakeups.capacity_key(ref, lacking), lacking


def unpredictable(context: GuardContext) -> Iterator[Blocker]:
    """Yields what holds a node for pods whose drain takes as long as their operator, or the pods themselves, need."""
    ref, view = context.ref, context.view
    seconds = context.rollout.pool(context.run).drain.timeout_seconds
    for pod, treated in (*_requested_evictions(view, ref), *view.drain_demand(ref.name).left_to_end()):
        yield WaitKey("node", ref), _unknown(ref.name, pod, treated, seconds)


def groups_asked(view: ClusterView, ref: NodeRef) -> tuple[str, ...]:
    """Returns the groups of operators' pods on the node for which an eviction will be requested although no budget allows
    one."""
    return tuple(sorted({treated.group for _, treated in _requested_evictions(view, ref)}))


def _requested_evictions(view: ClusterView, ref: NodeRef) -> list[tuple[Pod, Treatment]]:
    return [
        (pod, treated)
        for pod, treated, refs in view.drain_demand(ref.name).requested_evictions(view.budgets)
        if any(
            view.budgets[budget].never_allows and view.pending_evictions.allowance(budget) < 1
            for budget in refs
        )
    ]


def _unknown(node: str, pod: Pod, treated: Treatment, seconds: int) -> Held:
    cause = (
        f"pod {pod.ref} is left to end by itself ({treated.by})"
        if treated.do == "wait"
        else f"no budget allows the eviction of {pod.ref} now, and it is asked for ({treated.by})"
    )
    limit = seconds if treated.timeout_seconds is None else treated.timeout_seconds
    return Held(Reason.LENGTH_UNKNOWN, node, {"what": cause, "limit": f"{limit} s"})
