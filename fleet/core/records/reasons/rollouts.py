"""Reasons of a rollout as a whole: it is stopped, its calendar is closed, its canaries or other nodes come first."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

PAUSED = ReasonSpec(
    "paused",
    "rollout {subject} is paused by {by}",
    opens="the rollout is resumed",
    docs="architecture.md#a-run",
    remedy="fleet rollout resume {subject}",
)
HALTED = ReasonSpec(
    "halted",
    "rollout {subject} is halted: {why}",
    opens="an operator resumes the rollout",
    docs="architecture.md#a-run",
    remedy=("look at the failed nodes, then fleet rollout release NODE and fleet rollout resume {subject}"),
    needs_action=True,
    lint="in status",
)
NOT_APPROVED = ReasonSpec(
    "not-approved",
    "rollout {subject} has not begun: {why}",
    opens="the plan is approved, and an operator resumes the rollout",
    docs="approvals.md#when-approvals-are-checked",
    remedy="another user approves it (fleet plan approve {plan}), then: fleet rollout resume {subject}",
    needs_action=True,
    lint="in status",
)
ABORTED = ReasonSpec(
    "aborted",
    "rollout {subject} is aborted by {by}: nothing new starts",
    opens="what has begun ends by itself, and an aborted rollout cannot go on",
    docs="architecture.md#a-run",
)
WINDOW = ReasonSpec(
    "window",
    "outside the windows of pool {subject}{closed}; the next one that fits opens {opens}",
    opens="the window opens by itself",
    docs="windows.md#when-a-run-starts",
)
FREEZE = ReasonSpec(
    "freeze",
    "freeze {subject}{where} until {until}",
    opens="the freeze ends by itself",
    docs="windows.md#freezes",
)
CALENDAR_UNREAD = ReasonSpec(
    "calendar-unread",
    "the calendar of {subject} was never read: nobody knows what it allows",
    opens="the calendar of a freeze is read; for the calendar of a window, a plan that is made once it has been read",
    docs="windows.md#calendars",
    remedy="fleet sync says why it cannot be read; for the calendar of a window, then a new plan",
    needs_action=True,
)
CANARY = ReasonSpec(
    "canary",
    "waits for the canaries: {done} of {count} proven{open}",
    opens="the canaries go on by themselves, or are held by a reason of their own that has a remedy",
    docs="workloads.md#canaries-and-gates",
)
CANARY_FAILED = ReasonSpec(
    "canary-failed",
    "waits for the canaries: {done} of {count} proven; canary {node} failed in rollout {subject} "
    "and nobody has released it",
    opens="the canary is released, or another one is proven",
    docs="workloads.md#canaries-and-gates",
    remedy="look at the node, then fleet rollout release {node}; the next best node becomes the canary",
    needs_action=True,
)
NO_CANARY = ReasonSpec(
    "no-canary",
    "waits for the canaries: {done} of {count} proven, and no node of pool {pool} can be the next one",
    opens="a node of the pool can go",
    docs="workloads.md#canaries-and-gates",
    remedy="fix what holds one of its nodes (fleet explain NODE shows the reason): {nodes}",
    needs_action=True,
)
STAGE = ReasonSpec(
    "stage",
    "waits for stage {subject}: {open} of its nodes have not ended",
    opens="the nodes of the stage go on by themselves, or are held by reasons of their own that have a remedy",
    docs="stages.md#stages",
)
STAGE_SITES = ReasonSpec(
    "stage-sites",
    "site {site} waits: {limit} of the sites of stage {subject} may be in work at once; in work: {sites}",
    opens="all nodes of a site that is in work have ended",
    docs="stages.md#stages",
)
GATE = ReasonSpec(
    "gate",
    "waits for gate {subject} behind {point}: {state}",
    opens="the gate passes; a gate that fails, or does not pass in its time, halts the rollout",
    docs="stages.md#gates",
    remedy="fleet rollout pass {rollout} {subject} --reason ... goes on without it",
)
OPERATOR_GATE = ReasonSpec(
    "operator-gate",
    "waits for an operator at gate {subject} behind {point}",
    opens="an operator lets it pass",
    docs="stages.md#gates",
    remedy="fleet rollout pass {rollout} {subject} --reason ...",
    needs_action=True,
)
HOOK = ReasonSpec(
    "hook",
    "waits for hook {subject} {place}: {state}",
    opens="the hook passes; a hook that fails fails its node, or halts its rollout",
    docs="hooks.md#what-a-hook-holds",
)
HOOK_UNKNOWN = ReasonSpec(
    "hook-unknown",
    "nobody knows whether hook {subject} {place} has done its work: {why}",
    opens="an operator lets it pass, or runs it again",
    docs="hooks.md#when-the-controller-stops",
    remedy="look whether it has done its work, then fleet rollout hook {rollout} {subject}{node} --pass "
    "or --again",
    needs_action=True,
)
TURN = ReasonSpec(
    "turn",
    "its turn has not come: {ahead} nodes are before it",
    opens="the nodes before it go first, or are held by reasons of their own that have a remedy",
    docs="architecture.md#the-engine",
)
