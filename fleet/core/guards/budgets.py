"""Does the budget leave room? Its own status has the last word, as in the Eviction API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.third_parties.operators import opens_again

if TYPE_CHECKING:
    from fleet.core.cluster.view import ClusterView

LONG = timedelta(minutes=10)
"""A pod that starts is Ready sooner. One that is not for so long needs a person."""
LONG_UNBOUND = timedelta(hours=1)
"""A pod without a node may wait for one that reboots."""
SCALED = ("ReplicaSet", "StatefulSet", "ReplicationController")
"""Controllers from whose scale a budget is counted."""
NAMED = 5
"""Pods that are named; there may be thousands."""


def asked(view: ClusterView, ref: PodRef, pod: Pod, allowance: int, need: int, now: datetime) -> Held | None:
    """What the budget says to the eviction of `need` pods, one of which is `pod`; in words that name what stands in the
    way: a role, or pods that are not Ready."""
    budget = view.budgets[ref]
    if not budget.failure and allowance >= need:
        return None
    unready = view.unready(budget)
    label = view.roles.selecting(budget, pod)
    # A budget that selects a part of a workload may be counted from the whole: that part is all that can be healthy.
    selected = budget.current_healthy + len(unready) if label else budget.expected_pods
    # Only what an event tells: a guard that opened by the clock would have to be asked again then.
    short = max(0, budget.expected_pods - selected) + len(unready)
    found = held(budget, allowance, need, view.workload_of(pod), short, opens_again(pod))
    if found is None:
        return None
    if label and (found.reason is Reason.BUDGET_NEVER or _counts_more(budget, unready)):
        return _of_role(found, budget, label, pod, view.standbys.lacking(pod))
    scaled = pod.owner is not None and pod.owner.kind in SCALED
    if found.reason is Reason.BUDGET_NEVER and not budget.expected_pods and not scaled:
        return Held(Reason.BUDGET_UNCOUNTED, found.subject, {"rule": budget.rule, "pod": str(pod.ref)})
    if found.reason is Reason.BUDGET and unready:
        ill = [each for each in unready if is_ill(each, view, now)]
        return _of_unready(found, budget, pod, unready, ill)
    return found


def held(
    budget: Budget, allowance: int, need: int, workload: str, short: int = 0, opens: str = ""
) -> Held | None:
    """`allowance` is what is left now, `need` the pods that have to go. A node with more pods of one budget than the
    budget can allow at once may begin with what it can: they go one after another. `short`: of the pods that the budget
    expects, those that are not Ready or not there: they take from what it can allow. `opens`: why a budget that allows
    nothing now opens by itself."""
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
    if budget.observed and budget.most_at_once == 0 and budget.disruptions_allowed == 0 and not opens:
        return Held(Reason.BUDGET_NEVER, str(budget.ref), facts)
    if allowance >= min(need, max(1, budget.most_at_once - short)):
        return None
    return Held(Reason.BUDGET, str(budget.ref), facts)


def _counts_more(budget: Budget, unready: Sequence[Pod]) -> bool:
    """It is counted from the scale of the pods' owner, and selects only some of them: though all that it selects are
    Ready they are fewer than it wants."""
    counted = budget.max_unavailable is not None or isinstance(budget.min_available, str)
    return counted and budget.observed and not unready and budget.current_healthy <= budget.desired_healthy


def _of_role(found: Held, budget: Budget, label: str, pod: Pod, alone: str) -> Held:
    """`alone`: what helps where no other pod could get the role."""
    value = pod.labels.get(label)
    facts = {name: found.params[name] for name in ("rule", "healthy", "expected", "workload")}
    told: dict[str, str | int] = {
        "label": f"{label}={value}" if value is not None else label,
        "pod": str(pod.ref),
    }
    if found.reason is not Reason.BUDGET_NEVER:
        told["advice"] = (
            f"set minAvailable of {budget.ref} to a number: {budget.rule} is counted from all pods of "
            f"{found.params['workload']}, also those that it does not select"
        )
    elif alone:
        told["advice"] = alone
    return Held(Reason.ROLE, found.subject, {**facts, **told})


def _of_unready(held: Held, budget: Budget, pod: Pod, unready: Sequence[Pod], ill: Sequence[Pod]) -> Held:
    """Where too many of its pods are ill for the budget ever to open, a person has to act."""
    lasting = len(ill) >= budget.most_at_once
    named = ill if lasting else unready
    rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    pods = ", ".join(str(each.ref) for each in named[:NAMED]) + rest
    facts = {**held.params, "unready": f"; not Ready: {pods}", "unready_pods": len(named)}
    if not lasting:
        return Held(Reason.BUDGET, held.subject, facts)
    if any(each.node == pod.node for each in named):
        advice = (
            f"mend these pods; unhealthyPodEvictionPolicy: AlwaysAllow on {held.subject} lets them be evicted"
        )
        facts["advice"] = advice
    return Held(Reason.BUDGET_UNHEALTHY, held.subject, facts)


def is_ill(pod: Pod, view: ClusterView, now: datetime) -> bool:
    """It will not be Ready by itself. Where nobody tells since when it is not, one that runs on a node in service is."""
    if pod.unready_since is not None:
        return now - pod.unready_since >= (LONG if pod.node else LONG_UNBOUND)
    node = view.nodes.get(pod.node)
    return pod.phase == "Running" and node is not None and node.available
