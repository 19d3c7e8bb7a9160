"""May this pod be evicted, as far as the drain rules and the Eviction API's own terms go?"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.budget import Budget
from fleet.core.held import Held, Reason
from fleet.core.pod import Pod
from fleet.core.policy import DrainRule


def held(pod: Pod, budgets: Sequence[Budget], rule: DrainRule) -> Held | None:
    """`budgets` are all that match the pod."""
    subject = str(pod.ref)
    if len(budgets) > 1 and not pod_needs_no_leave(pod):
        names = ", ".join(sorted(str(budget.ref) for budget in budgets))
        return Held(Reason.SEVERAL_BUDGETS, subject, {"budgets": names})
    if pod.owner is None and rule.unmanaged == "hold":
        return Held(Reason.UNMANAGED, subject)
    if pod.local_data and rule.local_data == "hold":
        return Held(Reason.LOCAL_DATA, subject)
    if pod.host_path and rule.host_path == "hold":
        return Held(Reason.HOST_PATH, subject)
    return None


def pod_needs_no_leave(pod: Pod) -> bool:
    """The Eviction API asks no budget for pods that do not run yet or any more.

    Source: `canIgnorePDB` in the API server's eviction subresource.
    """
    return pod.deleting or pod.phase in ("Pending", "Succeeded", "Failed")
