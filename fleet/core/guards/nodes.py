"""May this node be worked on at all?"""

from __future__ import annotations

from fleet.core.held import Held, Reason
from fleet.core.machine import Machine
from fleet.core.node import CLAIMED_TAINT, INVENTORY_TAINT, Node

OTHERS = {
    "ToBeDeletedByClusterAutoscaler": "the cluster autoscaler deletes it",
    "DeletionCandidateOfClusterAutoscaler": "the cluster autoscaler may delete it",
    "karpenter.sh/disrupted": "Karpenter disrupts it",
    CLAIMED_TAINT: "{value}",
    INVENTORY_TAINT: "its inventory says so",
}
"""Taints by which other parties say that they work on a node."""
ANNOUNCED = {
    "weave.works/kured-reboot-in-progress": "kured reboots it",
    "flatcar-linux-update.v1.flatcar-linux.net/agent-made-unschedulable": "Flatcar's update operator reboots it",
}
"""Annotations by which others say that a cordon is theirs; their value is `false` when it is not any more."""
INSTEAD = {
    CLAIMED_TAINT: "stop it there, then: fleet cluster claim",
    INVENTORY_TAINT: "take `cordoned: true` out of the inventory when it may take part",
}
"""What to do where no kubectl helps."""


def held(name: str, uid: str, node: Node | None, machine: Machine | None, rollout: str) -> Held | None:
    """`uid` is that of the node which the plan meant; `rollout` the one that asks."""
    if node is None or node.deleting:
        return Held(Reason.NODE_GONE, name)
    if unseen(node, uid):
        return not_ready(node)
    if node.uid != uid:
        return Held(Reason.NODE_REPLACED, name)
    if node.unschedulable and node.cordoned_by not in ("", rollout):
        return Held(Reason.OTHER_ROLLOUT, name, {"by": node.cordoned_by})
    if node.foreign_cordon:
        return _foreign(node)
    if machine is None or not machine.reported:
        return Held(Reason.NO_AGENT, name)
    if node.ready is not True:
        return not_ready(node)
    return None


def unseen(node: Node, uid: str) -> bool:
    """Nobody has seen it yet: whether it is the machine that is meant shows then."""
    return bool(uid) and not node.uid


def _foreign(node: Node) -> Held:
    taint = next((each for each in node.taints if each.key in OTHERS), None)
    by = f" ({OTHERS[taint.key].format(value=taint.value)})" if taint is not None else ""
    said = [words for key, words in ANNOUNCED.items() if node.annotations.get(key, "false") != "false"]
    if taint is None and said:
        by = f" ({said[0]})"
    facts: dict[str, str | int] = {"by": by}
    if taint is not None and taint.key in INSTEAD:
        facts["advice"] = INSTEAD[taint.key]
    return Held(Reason.FOREIGN_CORDON, node.name, facts)


def not_ready(node: Node) -> Held:
    return Held(
        Reason.NODE_NOT_READY, node.name, {"why": f": {node.why_unready}" if node.why_unready else ""}
    )
