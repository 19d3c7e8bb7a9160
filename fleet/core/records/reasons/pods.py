"""Reasons of the pods that a drain would evict, of their budgets and of their volumes."""

from __future__ import annotations

from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

SPECS = (
    ReasonSpec(
        Reason.BUDGET,
        (
            "budget {subject} allows {allowed} disruptions now, {need} needed: {rule}, {healthy} of "
            "{expected} healthy{unready}"
        ),
        opens="the budget opens by itself once enough of its pods are Ready",
        docs="architecture.md#safety",
    ),
    ReasonSpec(
        Reason.BUDGET_NEVER,
        "budget {subject} allows no disruption: {replicas} of {workload}, {rule}",
        opens="the budget allows a disruption",
        docs="policy.md#drain-rules",
        remedy="scale {workload} up, set maxUnavailable 1 on {subject}, or ask its owners",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.BUDGET_FAILED,
        "budget {subject} cannot be computed by its controller: {why}",
        opens="the controller of the budget computes it",
        docs="policy.md#drain-rules",
        remedy="mend the selector of {subject}, or what scales its pods",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.BUDGET_UNCOUNTED,
        (
            "budget {subject} counts no pods and allows no disruption: {rule} is counted from a controller "
            "with a scale, and {pod} has none"
        ),
        opens="the controller of the budget counts its pods",
        docs="policy.md#drain-rules",
        remedy="set minAvailable of {subject} to a number of pods, or give {pod} a controller",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.BUDGET_UNHEALTHY,
        (
            "budget {subject} allows no disruption while pods are not Ready: {rule}, {healthy} of "
            "{expected} healthy{unready}"
        ),
        opens="enough pods of the budget are Ready",
        docs="policy.md#drain-rules",
        remedy="mend these pods",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.ROLE,
        (
            "budget {subject} selects by {label}, which tells the pods of {workload} apart: {pod} carries "
            "it now, and the budget allows no disruption ({rule}, {healthy} of {expected} healthy)"
        ),
        opens="the label is on a pod of another node",
        docs="workloads.md#pods-that-know-their-role",
        remedy=(
            "switch {workload} over, so that a pod on another node carries {label}; its operator "
            "may do so when the node is cordoned. Where it has no other pod, add one first"
        ),
        needs_action=True,
    ),
    ReasonSpec(
        Reason.SEVERAL_BUDGETS,
        "pod {subject} is matched by several budgets ({budgets}): the Eviction API refuses it",
        opens="one budget selects the pod",
        docs="policy.md#drain-rules",
        remedy="make one budget of {budgets}",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.UNMANAGED,
        "pod {subject} has no controller: it would be lost",
        opens="the pod is gone, or the policy lets it go",
        docs="workloads.md#drain-rules",
        remedy="give it a controller, delete it, or set drain.unmanaged: evict",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.LOCAL_DATA,
        "pod {subject} has local data (emptyDir): it would be lost",
        opens="the pod is gone, or the policy lets it go",
        docs="workloads.md#drain-rules",
        remedy="set drain.local_data: evict if the data may go",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.HOST_PATH,
        "pod {subject} uses a hostPath volume of this node",
        opens="the pod is gone, or the policy lets it go",
        docs="workloads.md#drain-rules",
        remedy="set drain.host_path: evict if it may move",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.GRACE,
        "pod {subject} may take {grace} s to stop ({source}), longer than drain.timeout, {timeout} s",
        opens="the pod may stop within drain.timeout",
        docs="policy.md#rules",
        remedy="raise drain.timeout above {grace} s, or cut the time short with drain.grace",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.TERMINATING,
        "pod {subject} is being deleted{why}",
        opens="the pod goes within its grace period, or the drain ends after drain.timeout",
        docs="workloads.md#drain-rules",
    ),
    ReasonSpec(
        Reason.STUCK_TERMINATING,
        "pod {subject} should have been gone since {since} and is still terminating{why}",
        opens="the pod is gone",
        docs="workloads.md#drain-rules",
        remedy="{remedy}",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.VOLUMES_ATTACHED,
        "volume {subject} is still attached to the drained node by {attacher}{more}{why}",
        opens="the volume is detached from the node",
        docs="workloads.md#volumes",
        remedy=(
            "kubectl describe volumeattachment {attachment} and the log of {attacher} tell why; "
            "drain.volumes: ignore reboots all the same"
        ),
    ),
    ReasonSpec(
        Reason.COMES_BACK,
        "{subject} has come back to {node} {times} after its eviction: {why}; {then}",
        opens="the pod is on another node, or is left",
        docs="workloads.md#pods-that-come-back-to-their-node",
        remedy=(
            "take that toleration or node name away from {subject}, or leave its pods there with a "
            "drain rule (do: skip)"
        ),
    ),
    ReasonSpec(
        Reason.POD_HELD,
        "pod {subject} is not to be evicted: {by}",
        opens="the pod is gone, or a rule lets it go",
        docs="workloads.md#drain-rules",
        remedy=("let it end or move it, or say otherwise with a drain rule of the policy (docs/policy.md)"),
        needs_action=True,
    ),
    ReasonSpec(
        Reason.POD_WAITS,
        "pod {subject} is left to end by itself: {by}",
        opens="the pod ends",
        docs="workloads.md#drain-rules",
        remedy=(
            "nothing: the wait is bounded, and then the node is given back; a drain rule may say otherwise"
        ),
    ),
    ReasonSpec(
        Reason.ASKED,
        "eviction of {subject} is asked for although no budget allows it ({by}); last answer: {why}",
        opens="the operator of the pod makes its budget allow the eviction",
        docs="workloads.md#budgets-that-open-by-the-cordon-or-by-being-asked",
        remedy="see that its operator works; the wait is bounded, and then the node is given back",
    ),
    ReasonSpec(
        Reason.ASK_TURN,
        "{node} is in work: {subject} loses one node at a time",
        opens="the other node is back",
        docs="workloads.md#budgets-that-open-by-the-cordon-or-by-being-asked",
        remedy="nothing: {node} goes first; fleet explain {node} says where it stands",
    ),
    ReasonSpec(
        Reason.LENGTH_UNKNOWN,
        "how long its drain takes cannot be planned: {what}",
        opens="the run itself: the rollout tries it",
        docs="workloads.md#what-is-known-when-planning",
        remedy="nothing: the rollout tries it for {limit} at most, and gives the node back otherwise",
        needs_action=True,
    ),
)
