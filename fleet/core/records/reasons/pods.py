"""Reasons of the pods of a node: one may not be evicted, has no place elsewhere, is slow to go, or comes back."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

UNMANAGED = ReasonSpec(
    "unmanaged",
    "pod {subject} has no controller: it would be lost",
    opens="the pod is gone, or the policy lets it go",
    docs="workloads.md#drain-rules",
    remedy="give it a controller, delete it, or set drain.unmanaged: evict",
    needs_action=True,
)
LOCAL_DATA = ReasonSpec(
    "local-data",
    "pod {subject} has local data (emptyDir): it would be lost",
    opens="the pod is gone, or the policy lets it go",
    docs="workloads.md#drain-rules",
    remedy="set drain.local_data: evict if the data may go",
    needs_action=True,
)
HOST_PATH = ReasonSpec(
    "host-path",
    "pod {subject} uses a hostPath volume of this node",
    opens="the pod is gone, or the policy lets it go",
    docs="workloads.md#drain-rules",
    remedy="set drain.host_path: evict if it may move",
    needs_action=True,
)
GRACE = ReasonSpec(
    "grace",
    "pod {subject} may take {grace} s to stop ({source}), longer than drain.timeout, {timeout} s",
    opens="the pod may stop within drain.timeout",
    docs="policy.md#rules",
    remedy="raise drain.timeout above {grace} s, or cut the time short with drain.grace",
    needs_action=True,
)
PINNED = ReasonSpec(
    "pinned",
    "pod {subject} can run on no other node, and no budget says that it may be away",
    opens="a budget lets the pod be away, or the policy does",
    docs="workloads.md#pods-bound-to-their-node",
    remedy=(
        "give it a budget that lets it be away, or set drain.no_room: evict; it is down until its "
        "node is back"
    ),
    needs_action=True,
)
CAPACITY = ReasonSpec(
    "capacity",
    "no room for pod {subject} elsewhere: it needs {cpu}m cpu and {memory} memory; {lacks}",
    opens="another node has room for the pod",
    docs="workloads.md#where-evicted-pods-can-land",
    remedy="add a node, lower what the pod requests, or set drain.no_room: evict if it may wait",
    needs_action=True,
)
ROOM = ReasonSpec(
    "room",
    "no room for pod {subject} elsewhere while {back} in work: it needs {cpu}m cpu and {memory} memory; {lacks}",
    opens="the nodes in work come back, or their runs fail after a bounded wait",
    docs="workloads.md#where-evicted-pods-can-land",
)
FIRST_NODES = ReasonSpec(
    "first-nodes",
    "{out} nodes of {subject} are out and {upgraded} are upgraded: pods of more than {most} would move twice",
    opens="a node in work comes back, or its run fails after a bounded wait",
    docs="workloads.md#where-evicted-pods-can-land",
)
TERMINATING = ReasonSpec(
    "terminating",
    "pod {subject} is being deleted{why}",
    opens="the pod goes within its grace period, or the drain ends after drain.timeout",
    docs="workloads.md#drain-rules",
)
STUCK_TERMINATING = ReasonSpec(
    "stuck-terminating",
    "pod {subject} should have been gone since {since} and is still terminating{why}",
    opens="the pod is gone",
    docs="workloads.md#drain-rules",
    remedy="{remedy}",
    needs_action=True,
)
VOLUMES_ATTACHED = ReasonSpec(
    "volumes-attached",
    "volume {subject} is still attached to the drained node by {attacher}{more}{why}",
    opens="the volume is detached from the node",
    docs="workloads.md#volumes",
    remedy=(
        "kubectl describe volumeattachment {attachment} and the log of {attacher} show why; "
        "drain.volumes: ignore reboots all the same"
    ),
)
COMES_BACK = ReasonSpec(
    "comes-back",
    "{subject} has come back to {node} {times} after its eviction: {why}; {then}",
    opens="the pod is on another node, or is left",
    docs="workloads.md#pods-that-come-back-to-their-node",
    remedy=(
        "take that toleration or node name away from {subject}, or leave its pods there with a drain "
        "rule (do: skip)"
    ),
)
POD_HELD = ReasonSpec(
    "pod-held",
    "pod {subject} is not to be evicted: {by}",
    opens="the pod is gone, or a rule lets it go",
    docs="workloads.md#drain-rules",
    remedy="let it end or move it, or set another treatment with a drain rule of the policy (docs/policy.md)",
    needs_action=True,
)
POD_WAITS = ReasonSpec(
    "pod-waits",
    "pod {subject} is left to end by itself: {by}",
    opens="the pod ends",
    docs="workloads.md#drain-rules",
    remedy=("nothing: the wait is bounded, and then the node is given back; a drain rule can change that"),
)
LENGTH_UNKNOWN = ReasonSpec(
    "length-unknown",
    "how long its drain takes cannot be planned: {what}",
    opens="the run itself: the rollout tries it",
    docs="workloads.md#what-is-known-when-planning",
    remedy="nothing: the rollout tries it for {limit} at most, and gives the node back otherwise",
    needs_action=True,
)
