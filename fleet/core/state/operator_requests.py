"""The nodes on which operators of pods are asked to let their pods go: of each group one node at a time."""

from __future__ import annotations

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import HAS_SLOT


class OperatorRequests:
    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], dict[NodeRef, None]] = {}
        """The nodes in work, by cluster and group."""
        self._groups: dict[NodeRef, tuple[str, ...]] = {}

    def update(self, run: Run) -> tuple[str, ...]:
        """Updates the nodes in work after the run has entered another step. Returns the groups that its node is no longer in
        work for."""
        ref = run.node
        before, now = self._groups.get(ref, ()), run.asks if run.step in HAS_SLOT else ()
        left = tuple(group for group in before if group not in now)
        for group in left:
            self._nodes[ref.cluster, group].pop(ref, None)
        for group in now:
            self._nodes.setdefault((ref.cluster, group), {})[ref] = None
        if now:
            self._groups[ref] = now
        elif before:
            del self._groups[ref]
        return left

    def other_node(self, ref: NodeRef, group: str) -> NodeRef | None:
        """Returns another node of the group that is in work, or None."""
        return next((node for node in self._nodes.get((ref.cluster, group), ()) if node != ref), None)
