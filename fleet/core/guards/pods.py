"""May this pod be evicted, as far as the drain rules and the Eviction API's own terms go?"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.held import Held, Reason
from fleet.core.pod import Pod, PodRef
from fleet.core.policy import DrainRule
from fleet.core.treatment import EVICTED, Treatment


def held(pod: Pod, budgets: Sequence[PodRef], rule: DrainRule, treated: Treatment = EVICTED) -> Held | None:
    """`budgets` are all that match the pod; `treated` is what the drain does with it."""
    if treated.do == "wait":
        return None
    if treated.do == "hold" and not pod.deleting:
        return Held(Reason.POD_HELD, str(pod.ref), {"by": treated.by})
    if len(budgets) > 1 and not pod_needs_no_leave(pod):
        names = ", ".join(sorted(map(str, budgets)))
        return Held(Reason.SEVERAL_BUDGETS, str(pod.ref), {"budgets": names})
    if treated.rule:
        return None
    if pod.owner is None and rule.unmanaged == "hold":
        return Held(Reason.UNMANAGED, str(pod.ref))
    if pod.local_data and rule.local_data == "hold":
        return Held(Reason.LOCAL_DATA, str(pod.ref))
    if pod.host_path and rule.host_path == "hold":
        return Held(Reason.HOST_PATH, str(pod.ref))
    return None


def pod_needs_no_leave(pod: Pod) -> bool:
    """The Eviction API asks no budget for pods that do not run yet or any more.

    Source: `canIgnorePDB` in the API server's eviction subresource.
    """
    return pod.deleting or pod.phase in ("Pending", "Succeeded", "Failed")
