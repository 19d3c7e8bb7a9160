"""The changes of a Node by fleet's own actions where no API server stores the Node, one function for each action. None:
there is nothing to change.
"""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.cluster.refused_patch import RefusedPatch
from fleet.core.objects.node import CORDON_ANNOTATION, PENDING_TAINT, ROLLOUT_ANNOTATION, Node, Taint
from fleet.core.rollout.action import Result
from fleet.core.third_parties import keep_off


def add_pending_taint(node: Node, rollout: str) -> Node | None:
    if node.pending_taint and node.annotations.get(ROLLOUT_ANNOTATION) == rollout:
        return None
    return replace(
        node,
        taints=(*_without_pending(node), Taint(PENDING_TAINT, "PreferNoSchedule")),
        annotations=node.annotations | {ROLLOUT_ANNOTATION: rollout},
    )


def remove_pending_taint(node: Node, rollout: str) -> Node | None:
    is_own = node.rollout == rollout
    removed = (*((ROLLOUT_ANNOTATION,) if is_own else ()), *keep_off.removals(node.annotations, rollout))
    if not removed:
        return None
    taints = _without_pending(node) if is_own else node.taints
    return replace(node, taints=taints, annotations=_without(node, *removed))


def cordon(node: Node, rollout: str) -> Node | None:
    """Returns the node cordoned by this rollout. Raises RefusedPatch (STALE) if another party has cordoned the node."""
    if node.unschedulable:
        if node.cordoned_by == rollout:
            return None
        raise RefusedPatch(Result.STALE, f"cordoned by {node.cordoned_by or 'somebody else'}")
    added = {CORDON_ANNOTATION: rollout} | keep_off.additions(node.annotations, rollout)
    return replace(node, unschedulable=True, annotations=node.annotations | added)


def uncordon(node: Node, rollout: str) -> Node | None:
    """Returns the node without the rollout's cordon, pending taint and annotations. The cordon of another party stays."""
    new = remove_pending_taint(node, rollout) or node
    if new.cordoned_by == rollout:
        new = replace(new, unschedulable=False, annotations=_without(new, CORDON_ANNOTATION))
    return None if new is node else new


def _without_pending(node: Node) -> tuple[Taint, ...]:
    return tuple(taint for taint in node.taints if taint.key != PENDING_TAINT)


def _without(node: Node, *annotations: str) -> dict[str, str]:
    return {key: value for key, value in node.annotations.items() if key not in annotations}
