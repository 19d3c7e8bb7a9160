"""Reasons of the node itself: it is away, not healthy, or another party works on it."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

NODE_GONE = ReasonSpec(
    "node-gone",
    "node {subject} is gone from its cluster",
    opens="nothing: the run is over",
    docs="workloads.md#nodes-that-go-away-and-come-back",
    remedy="nothing is left to do here; if it comes back: fleet sync, then a new plan",
    needs_action=True,
    lint="in status",
)
NODE_ABSENT = ReasonSpec(
    "node-absent",
    "the Node object of {subject} is gone since {since}; fleet waits until {until} for the "
    "machine to register again",
    opens="the wait ends by itself, at the time that is named",
    docs="workloads.md#nodes-that-go-away-and-come-back",
)
NODE_REPLACED = ReasonSpec(
    "node-replaced",
    "another machine now stands under the name {subject}",
    opens="nothing: the plan is about another machine",
    docs="workloads.md#nodes-that-go-away-and-come-back",
    remedy="fleet sync, then a new plan",
    needs_action=True,
    lint="in status",
)
NODE_NOT_READY = ReasonSpec(
    "node-not-ready",
    "node {subject} is not Ready{why}",
    opens="the node is Ready",
    docs="architecture.md#a-run",
    remedy="repair the node, or drain and remove it",
    needs_action=True,
    lint="in status",
)
FOREIGN_CORDON = ReasonSpec(
    "foreign-cordon",
    "cordoned, not by fleet",
    opens="the node is uncordoned",
    docs="workloads.md#others-who-work-on-the-same-node",
    remedy="kubectl uncordon it if nobody works on it",
    needs_action=True,
)
OTHERS = ReasonSpec(
    "others",
    "{told}",
    opens=(
        "the other party ends by itself, or removes the node, which cancels its run; each notice "
        "has its own remedy"
    ),
    docs="workloads.md#others-who-work-on-the-same-node",
)
"""Another party deletes the node or works on it, and will end by itself."""
OTHERS_STAY = ReasonSpec(
    "others-stay",
    "{told}",
    opens="the mark of the other party is gone from the node",
    docs="workloads.md#others-who-work-on-the-same-node",
    remedy="end the work of {party} on {subject}, or take {mark} off the node if nobody works on it",
    needs_action=True,
)
"""Another party works on the node until an operator ends it."""
OTHER_ROLLOUT = ReasonSpec(
    "other-rollout",
    "rollout {by} holds it: its run there failed and nobody has released it",
    opens="the node is released in the other rollout",
    docs="workloads.md#others-who-work-on-the-same-node",
    remedy="look at the node, then fleet rollout release {subject}",
    needs_action=True,
    lint="in status",
)
OTHER_CORDON = ReasonSpec(
    "other-cordon",
    "cordoned by rollout {by}, which is another one, of this fleet or of another fleet",
    opens="the cordon of the other rollout is gone",
    docs="workloads.md#others-who-work-on-the-same-node",
    remedy=(
        "fleet rollout status {by} shows it if it is a rollout of this fleet; if nobody works on "
        "the node: kubectl uncordon {subject}"
    ),
    needs_action=True,
    lint="in status",
)
ROLLED_BACK = ReasonSpec(
    "rolled-back",
    "it booted {booted} instead of {release} in rollout {by}: rolled back, and nobody has released it",
    opens="the node is released in the rollout in which it rolled back",
    docs="workloads.md#proof-after-the-reboot",
    remedy="find out why; fleet rollout release {subject} lets it be tried there again",
    needs_action=True,
    lint="in status",
)
NO_AGENT = ReasonSpec(
    "no-agent",
    "no agent has reported from it",
    opens="the agent of the node reports",
    docs="architecture.md#a-run",
    remedy=(
        "fleet cluster install, and see that the agent's pod runs there; a host without a cluster: "
        "fleet cluster check says why it is not reached"
    ),
    needs_action=True,
    lint="in status",
)
