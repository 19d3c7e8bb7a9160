"""Reasons of limits of nodes at once, and of room elsewhere."""

from __future__ import annotations

from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

NODES_OUT = (
    "fleet's own come back by themselves; repair the others, uncordon them, or fleet rollout release "
    "a failed one"
)

SPECS = (
    ReasonSpec(
        Reason.PINNED,
        "pod {subject} can run on no other node, and no budget says that it may be away",
        opens="a budget lets the pod be away, or the policy does",
        docs="workloads.md#pods-bound-to-their-node",
        remedy=(
            "give it a budget that lets it be away, or set drain.no_room: evict; it is down until "
            "its node is back"
        ),
        needs_action=True,
    ),
    ReasonSpec(
        Reason.PINNED_TOGETHER,
        (
            "{count} pods here can run on no other node, and budget {subject} lets {room} be away at once: "
            "{pods}"
        ),
        opens="the budget lets so many be away at once",
        docs="workloads.md#pods-bound-to-their-node",
        remedy=(
            "raise maxUnavailable of {subject} to {count} if they may be away together, or move all "
            "but {room} to other nodes"
        ),
        needs_action=True,
    ),
    ReasonSpec(
        Reason.POOL_LIMIT,
        "pool {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the pool is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    ),
    ReasonSpec(
        Reason.ZONE_LIMIT,
        "zone {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the zone is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    ),
    ReasonSpec(
        Reason.SITE_LIMIT,
        "site {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the site is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    ),
    ReasonSpec(
        Reason.CLUSTER_LIMIT,
        "cluster {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the cluster is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    ),
    ReasonSpec(
        Reason.CAPACITY,
        "no room for pod {subject} elsewhere: it needs {cpu}m cpu and {memory} memory; {lacks}",
        opens="another node has room for the pod",
        docs="workloads.md#where-evicted-pods-can-land",
        remedy="add a node, lower what the pod requests, or set drain.no_room: evict if it may wait",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.ROOM,
        "no room for pod {subject} elsewhere while {back} in work: it needs {cpu}m cpu and {memory} memory; {lacks}",
        opens="the nodes in work come back, or their runs fail after a bounded wait",
        docs="workloads.md#where-evicted-pods-can-land",
    ),
)
