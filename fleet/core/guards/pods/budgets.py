"""Holds evictions that a PodDisruptionBudget does not allow. The budget's own status decides, as in the Eviction
API."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleet.core.cluster import owners
from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.third_parties.operators import opens_again

if TYPE_CHECKING:
    from fleet.core.cluster.view import ClusterView

LONG = timedelta(minutes=10)
"""A pod that has not been Ready for this long needs an operator. A pod that is merely starting is Ready sooner."""
LONG_UNBOUND = timedelta(hours=1)
"""The same for a pod without a node, which may be waiting for a node that reboots."""
BY_BUDGETS = frozenset(
    {
        Reason.BUDGET,
        Reason.BUDGET_NEVER,
        Reason.BUDGET_FAILED,
        Reason.BUDGET_UNCOUNTED,
        Reason.BUDGET_UNHEALTHY,
        Reason.ROLE,
    }
)
"""The reasons for which a budget refuses an eviction."""
SCALED = ("ReplicaSet", "StatefulSet", "ReplicationController")
"""The kinds of controllers whose scale determines how many pods a budget expects."""
NAMED = 5
"""The number of pods that are named; there may be thousands."""


def why_refused(
    view: ClusterView, ref: PodRef, pod: Pod, allowance: int, need: int, now: datetime
) -> Held | None:
    """Returns what holds the eviction of `need` pods under the budget, one of which is `pod`, or None.

    The reason names what stands in the way: a role, or pods that are not Ready. `allowance`: the number of evictions
    that the budget still allows now.
    """
    budget = view.budgets[ref]
    if not budget.failure and allowance >= need:
        return None
    unready = view.budget_index.unready(ref, view.pod_index)
    label = view.roles.selecting(budget, pod)
    # A budget that selects a part of a workload may be counted from the whole workload. Only the selected part can be
    # healthy.
    selected = budget.current_healthy + len(unready) if label else budget.expected_pods
    # Only what an event reports counts. A guard that opened by the clock would have to be asked again at that time.
    short = max(0, budget.expected_pods - selected) + len(unready)
    blocking = held(budget, allowance, need, owners.workload_of(pod, view.workloads), short, opens_again(pod))
    if blocking is None:
        return None
    if label and (blocking.reason is Reason.BUDGET_NEVER or _counts_more(budget, unready)):
        return _of_role(blocking, budget, label, pod, view.standbys.lacking(pod))
    scaled = pod.owner is not None and pod.owner.kind in SCALED
    if blocking.reason is Reason.BUDGET_NEVER and not budget.expected_pods and not scaled:
        return Held(Reason.BUDGET_UNCOUNTED, blocking.subject, {"rule": budget.rule, "pod": str(pod.ref)})
    if blocking.reason is Reason.BUDGET and unready:
        by_name = sorted(unready, key=lambda unready_pod: unready_pod.ref)
        unhealthy = [unready_pod for unready_pod in by_name if is_unhealthy(unready_pod, view, now)]
        return _of_unready(blocking, budget, pod, by_name, unhealthy)
    return blocking


def held(
    budget: Budget, allowance: int, need: int, workload: str, short: int = 0, opens: str = ""
) -> Held | None:
    """Returns what holds `need` pods that have to go under a budget with this `allowance` left, or None.

    A node with more pods of one budget than the budget can allow at once may begin with as many as it allows: the pods
    go one after another. `short`: how many of the pods that the budget expects are not Ready or do not exist; they
    reduce what the budget can allow. `opens`: why a budget that allows nothing now opens by itself.
    """
    if budget.failure:
        return Held(Reason.BUDGET_FAILED, str(budget.ref), {"why": budget.failure})
    params: dict[str, str | int] = {
        "allowed": allowance,
        "need": need,
        "rule": f"{budget.rule} ({opens})" if opens else budget.rule,
        "healthy": budget.current_healthy,
        "expected": budget.expected_pods,
        "replicas": "1 replica" if budget.expected_pods == 1 else f"{budget.expected_pods} replicas",
        "workload": workload,
    }
    if budget.observed and budget.most_at_once == 0 and budget.disruptions_allowed == 0 and not opens:
        return Held(Reason.BUDGET_NEVER, str(budget.ref), params)
    if allowance >= min(need, max(1, budget.most_at_once - short)):
        return None
    return Held(Reason.BUDGET, str(budget.ref), params)


def _counts_more(budget: Budget, unready: Collection[Pod]) -> bool:
    """Returns whether the budget is counted from the scale of the pods' owner but selects only some of its pods.

    Even if all selected pods are Ready, there are fewer than the budget requires.
    """
    counted = budget.max_unavailable is not None or isinstance(budget.min_available, str)
    return counted and budget.observed and not unready and budget.current_healthy <= budget.desired_healthy


def _of_role(blocking: Held, budget: Budget, label: str, pod: Pod, alone: str) -> Held:
    """Returns the reason for a pod that a role selects: the role's label, and what an operator may do about the budget."""
    value = pod.labels.get(label)
    params = {name: blocking.params[name] for name in ("rule", "healthy", "expected", "workload")}
    role_params: dict[str, str | int] = {
        "label": f"{label}={value}" if value is not None else label,
        "pod": str(pod.ref),
    }
    if blocking.reason is not Reason.BUDGET_NEVER:
        role_params["advice"] = (
            f"set minAvailable of {budget.ref} to a number: {budget.rule} is counted from all pods of "
            f"{blocking.params['workload']}, also those that it does not select"
        )
    elif alone:
        role_params["advice"] = alone
    return Held(Reason.ROLE, blocking.subject, {**params, **role_params})


def _of_unready(
    held: Held, budget: Budget, pod: Pod, unready: Sequence[Pod], unhealthy: Sequence[Pod]
) -> Held:
    """Returns `held` with the names of the unready pods. If too many of them are unhealthy, the reason is one that
    needs an operator."""
    needs_action = len(unhealthy) >= budget.most_at_once
    named = unhealthy if needs_action else unready
    rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    pods = ", ".join(str(unready_pod.ref) for unready_pod in named[:NAMED]) + rest
    params = {**held.params, "unready": f"; not Ready: {pods}", "unready_pods": len(named)}
    if not needs_action:
        return Held(Reason.BUDGET, held.subject, params)
    if any(unready_pod.node == pod.node for unready_pod in named):
        remedy = f"repair these pods; unhealthyPodEvictionPolicy: AlwaysAllow on {held.subject} lets them be evicted"
        params["advice"] = remedy
    return Held(Reason.BUDGET_UNHEALTHY, held.subject, params)


def is_unhealthy(pod: Pod, view: ClusterView, now: datetime) -> bool:
    """Returns whether the pod will not be Ready by itself.

    Where it is not known since when the pod is not Ready, a pod that runs on a node in service counts as unhealthy.
    """
    if pod.unready_since is not None:
        return now - pod.unready_since >= (LONG if pod.node else LONG_UNBOUND)
    node = view.nodes.get(pod.node)
    return pod.phase == "Running" and node is not None and node.available
