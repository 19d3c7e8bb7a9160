"""Reasons of PodDisruptionBudgets, which the Eviction API obeys."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

BUDGET = ReasonSpec(
    "budget",
    "budget {subject} allows {allowed} disruptions now, {need} needed: {rule}, {healthy} of "
    "{expected} healthy{unready}",
    opens="the budget opens by itself once enough of its pods are Ready",
    docs="architecture.md#safety",
)
BUDGET_NEVER = ReasonSpec(
    "budget-never",
    "budget {subject} allows no disruption: {replicas} of {workload}, {rule}",
    opens="the budget allows a disruption",
    docs="policy.md#drain-rules",
    remedy="scale {workload} up, set maxUnavailable 1 on {subject}, or ask its owners",
    needs_action=True,
)
BUDGET_FAILED = ReasonSpec(
    "budget-failed",
    "budget {subject} cannot be computed by its controller: {why}",
    opens="the controller of the budget computes it",
    docs="policy.md#drain-rules",
    remedy="correct the selector of {subject}, or what scales its pods",
    needs_action=True,
)
BUDGET_UNCOUNTED = ReasonSpec(
    "budget-uncounted",
    "budget {subject} counts no pods and allows no disruption: {rule} is counted from a "
    "controller with a scale, and {pod} has none",
    opens="the controller of the budget counts its pods",
    docs="policy.md#drain-rules",
    remedy="set minAvailable of {subject} to a number of pods, or give {pod} a controller",
    needs_action=True,
)
BUDGET_UNHEALTHY = ReasonSpec(
    "budget-unhealthy",
    "budget {subject} allows no disruption while pods are not Ready: {rule}, {healthy} of "
    "{expected} healthy{unready}",
    opens="enough pods of the budget are Ready",
    docs="policy.md#drain-rules",
    remedy="repair these pods",
    needs_action=True,
)
ROLE = ReasonSpec(
    "role",
    "budget {subject} selects by {label}, which differs between the pods of {workload}: {pod} "
    "carries it now, and the budget allows no disruption ({rule}, {healthy} of {expected} "
    "healthy)",
    opens="the label is on a pod of another node",
    docs="workloads.md#pods-that-know-their-role",
    remedy=(
        "switch {workload} over, so that a pod on another node carries {label}; its operator may do "
        "so when the node is cordoned. Where it has no other pod, add one first"
    ),
    needs_action=True,
)
SEVERAL_BUDGETS = ReasonSpec(
    "several-budgets",
    "pod {subject} is matched by several budgets ({budgets}): the Eviction API refuses it",
    opens="one budget selects the pod",
    docs="policy.md#drain-rules",
    remedy="make one budget of {budgets}",
    needs_action=True,
    lint="other check",
)
PINNED_TOGETHER = ReasonSpec(
    "pinned-together",
    "{count} pods here can run on no other node, and budget {subject} lets {room} be away at once: {pods}",
    opens="the budget lets so many be away at once",
    docs="workloads.md#pods-bound-to-their-node",
    remedy=(
        "raise maxUnavailable of {subject} to {count} if they may be away together, or move all but "
        "{room} to other nodes"
    ),
    needs_action=True,
)
ASKED = ReasonSpec(
    "asked",
    "eviction of {subject} is asked for although no budget allows it ({by}); last answer: {why}",
    opens="the operator of the pod makes its budget allow the eviction",
    docs="workloads.md#budgets-that-open-by-the-cordon-or-by-being-asked",
    remedy="see that its operator works; the wait is bounded, and then the node is given back",
)
ASK_TURN = ReasonSpec(
    "ask-turn",
    "{node} is in work: {subject} loses one node at a time",
    opens="the other node is back",
    docs="workloads.md#budgets-that-open-by-the-cordon-or-by-being-asked",
    remedy="nothing: {node} goes first; fleet explain {node} shows its state",
)
