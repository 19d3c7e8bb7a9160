"""May this node be worked on at all?"""

from __future__ import annotations

from fleet.core.held import Held, Reason
from fleet.core.machine import Machine
from fleet.core.node import CLAIMED_TAINT, INVENTORY_TAINT, Node

OTHERS = {
    "ToBeDeletedByClusterAutoscaler": "the cluster autoscaler deletes it",
    "DeletionCandidateOfClusterAutoscaler": "the cluster autoscaler may delete it",
    "karpenter.sh/disrupted": "Karpenter disrupts it",
    CLAIMED_TAINT: "{value}; stop it there, then: fleet cluster claim",
    INVENTORY_TAINT: "its inventory says so",
}
"""Taints by which other parties say that they work on a node."""


def held(name: str, uid: str, node: Node | None, machine: Machine | None, rollout: str) -> Held | None:
    """`uid` is that of the node which the plan meant; `rollout` the one that asks."""
    if node is None or node.deleting:
        return Held(Reason.NODE_GONE, name)
    if node.uid != uid:
        return Held(Reason.NODE_REPLACED, name)
    if node.unschedulable and node.cordoned_by not in ("", rollout):
        return Held(Reason.OTHER_ROLLOUT, name, {"by": node.cordoned_by})
    if node.foreign_cordon:
        by = next(
            (
                f" ({OTHERS[taint.key].format(value=taint.value)})"
                for taint in node.taints
                if taint.key in OTHERS
            ),
            "",
        )
        return Held(Reason.FOREIGN_CORDON, name, {"by": by})
    if machine is None or not machine.reported:
        return Held(Reason.NO_AGENT, name)
    if node.ready is not True:
        return not_ready(node)
    return None


def not_ready(node: Node) -> Held:
    return Held(
        Reason.NODE_NOT_READY, node.name, {"why": f": {node.why_unready}" if node.why_unready else ""}
    )
