"""Does the budget leave room? Its own status has the last word, as in the Eviction API."""

from __future__ import annotations

from fleet.core.budget import Budget
from fleet.core.guards.pods import pod_needs_no_leave
from fleet.core.held import Held, Reason
from fleet.core.pod import Pod


def takes(pod: Pod, budget: Budget) -> bool:
    """An eviction of this pod uses up one disruption.

    Unready pods go without using one: always under AlwaysAllow, and under IfHealthyBudget while the rest is healthy
    enough. Where it is not, they need an allowance that the budget does not have.
    """
    if pod_needs_no_leave(pod):
        return False
    if pod.ready:
        return True
    if budget.unhealthy_policy == "AlwaysAllow":
        return False
    return not (budget.current_healthy >= budget.desired_healthy > 0)


def room(budget: Budget) -> int:
    """Disruptions that it allows when everything is healthy."""
    return max(0, budget.expected_pods - budget.desired_healthy)


def scarcity(budget: Budget) -> float:
    """Pods for each disruption that it allows at once."""
    return budget.expected_pods / max(1, room(budget))


def held(budget: Budget, allowance: int, need: int, workload: str, opens: str = "") -> Held | None:
    """`allowance` is what is left now, `need` the pods that have to go. A node with more pods of one budget than the
    budget can ever allow at once may begin with what it can: they go one after another. `opens`: why a budget that
    allows nothing now opens by itself."""
    if budget.failure:
        return Held(Reason.BUDGET_FAILED, str(budget.ref), {"why": budget.failure})
    facts: dict[str, str | int] = {
        "allowed": allowance,
        "need": need,
        "rule": f"{budget.rule} ({opens})" if opens else budget.rule,
        "healthy": budget.current_healthy,
        "expected": budget.expected_pods,
        "replicas": "1 replica" if budget.expected_pods == 1 else f"{budget.expected_pods} replicas",
        "workload": workload,
    }
    if budget.observed and budget.expected_pods == 0 and need:
        # Source: kubernetes, disruption controller: a percentage and maxUnavailable are of the scale of the pods'
        # controllers, and pods without a controller have none.
        facts["advice"] = (
            f"its controller counts no pods, as {budget.rule} needs pods whose controller has a scale: set an integer "
            f"minAvailable on {budget.ref}"
        )
    if budget.observed and room(budget) == 0 and budget.disruptions_allowed == 0 and not opens:
        return Held(Reason.BUDGET_NEVER, str(budget.ref), facts)
    if allowance >= min(need, max(1, room(budget))):
        return None
    return Held(Reason.BUDGET, str(budget.ref), facts)
