"""Reasons of rollouts, windows and whole clusters."""

from __future__ import annotations

from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

SPECS = (
    ReasonSpec(
        Reason.PAUSED,
        "rollout {subject} is paused by {by}",
        opens="the rollout is resumed",
        docs="architecture.md#a-run",
        remedy="fleet rollout resume {subject}",
    ),
    ReasonSpec(
        Reason.HALTED,
        "rollout {subject} is halted: {why}",
        opens="an operator resumes the rollout",
        docs="architecture.md#a-run",
        remedy=(
            "look at the failed nodes, then fleet rollout release NODE and fleet rollout resume {subject}"
        ),
        needs_action=True,
    ),
    ReasonSpec(
        Reason.ABORTED,
        "rollout {subject} is aborted by {by}: nothing new starts",
        opens="what has begun ends by itself, and an aborted rollout cannot go on",
        docs="architecture.md#a-run",
    ),
    ReasonSpec(
        Reason.WINDOW,
        "outside the windows of pool {subject}; the next one that fits opens {opens}",
        opens="the window opens by itself",
        docs="policy.md#windows",
    ),
    ReasonSpec(
        Reason.FREEZE,
        "freeze {subject} until {until}",
        opens="the freeze ends by itself",
        docs="policy.md#freezes",
    ),
    ReasonSpec(
        Reason.CANARY,
        "waits for the canaries: {done} of {count} proven{open}",
        opens="the canaries go on by themselves, or are held by a reason of their own that has advice",
        docs="workloads.md#canaries-and-gates",
    ),
    ReasonSpec(
        Reason.CANARY_FAILED,
        (
            "waits for the canaries: {done} of {count} proven; canary {node} failed in rollout {subject} "
            "and nobody has released it"
        ),
        opens="the canary is released, or another one is proven",
        docs="workloads.md#canaries-and-gates",
        remedy=("look at the node, then fleet rollout release {node}; the next best node becomes the canary"),
        needs_action=True,
    ),
    ReasonSpec(
        Reason.NO_CANARY,
        ("waits for the canaries: {done} of {count} proven, and no node of pool {pool} can be the next one"),
        opens="a node of the pool can go",
        docs="workloads.md#canaries-and-gates",
        remedy="mend what holds one of its nodes (fleet explain NODE says what): {nodes}",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.UNREACHABLE,
        "cluster {subject} is unreachable: {why}",
        opens="the cluster answers again",
        docs="architecture.md#safety",
        remedy="fleet cluster check {subject}",
        scope="cluster",
    ),
    ReasonSpec(
        Reason.LED_BY_ANOTHER,
        "nothing is done in cluster {subject}: {why}",
        opens="this fleet holds the Lease of the cluster",
        docs="architecture.md#safety",
        remedy=(
            "see which fleet that controller is of: it goes on here once that one no longer leads {subject}"
        ),
        scope="cluster",
    ),
    ReasonSpec(
        Reason.TURN,
        "its turn has not come: {ahead} nodes are before it",
        opens="the nodes before it go first, or are held by reasons of their own that have advice",
        docs="architecture.md#the-engine",
    ),
)
