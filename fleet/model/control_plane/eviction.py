"""The Eviction API. Source: kubernetes, pkg/registry/core/pod/storage/eviction.go."""

from __future__ import annotations

from fleet.core.cluster.refused_patch import RefusedPatch
from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.rollout.action import Evict, Result
from fleet.model.control_plane.disruption import DisruptionController
from fleet.model.objects import Objects

SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
PROCESSING_SECONDS = 10.0
"""The Retry-After in seconds if a budget's status is older than its spec."""


def granted(objects: Objects, disruption: DisruptionController, action: Evict, checks_uid: bool) -> Pod:
    """Returns the pod whose eviction is granted; its budget has been charged. Raises RefusedPatch.

    The server charges the budget before it compares the uid. `checks_uid`: the sender of the request compares the uid first.
    """
    pod = objects.pods.get(action.pod)
    if pod is None:
        raise RefusedPatch(Result.GONE, f'pods "{action.pod.name}" not found')
    if checks_uid and pod.uid != action.pod_uid:
        raise RefusedPatch(Result.GONE, f"another pod now stands under the name {action.pod}")
    if pod.phase != "Pending" and not pod.finished and not pod.deleting:
        budgets = disruption.covering(action.pod)
        if len(budgets) > 1:
            raise RefusedPatch(Result.FAILED, SEVERAL)
        for ref in budgets:
            _charge(objects, ref, pod)
    if pod.uid != action.pod_uid:
        raise RefusedPatch(
            Result.GONE,
            f"Precondition failed: UID in precondition: {action.pod_uid}, UID in object meta: {pod.uid}",
        )
    return pod


def _charge(objects: Objects, ref: PodRef, pod: Pod) -> None:
    budget = objects.budgets[ref]
    if not pod.ready and _lets_unhealthy_go(budget):
        return
    if not budget.observed:
        raise RefusedPatch(
            Result.REFUSED,
            f"{VIOLATES} The disruption budget {budget.name} is still being processed by the server.",
            PROCESSING_SECONDS,
        )
    if budget.disruptions_allowed <= 0:
        raise RefusedPatch(Result.REFUSED, f"{VIOLATES} {_cause(budget)}")
    objects.put_budget(
        budget, disruptions_allowed=budget.disruptions_allowed - 1, disrupted=budget.disrupted | {pod.name}
    )


def _lets_unhealthy_go(budget: Budget) -> bool:
    if budget.unhealthy_policy == "AlwaysAllow":
        return True
    return budget.current_healthy >= budget.desired_healthy > 0


def _cause(budget: Budget) -> str:
    if budget.failure:
        return (
            f"The disruption budget {budget.name} does not allow evicting pods currently because it "
            f"failed sync: {budget.failure}"
        )
    return (
        f"The disruption budget {budget.name} needs {budget.desired_healthy} healthy pods "
        f"and has {budget.current_healthy} currently"
    )
