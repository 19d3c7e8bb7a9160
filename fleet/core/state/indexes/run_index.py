"""The index of rollouts and runs by node."""

from __future__ import annotations

from collections import Counter

from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import is_release
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run


class RunIndex:
    def __init__(self) -> None:
        self.rollouts: dict[str, Rollout] = {}
        """The rollouts by id."""
        self._rollout_of: dict[NodeRef, Rollout] = {}
        self._order: dict[NodeRef, int] = {}
        self._counts: Counter[str] = Counter()
        """The number of nodes that are in a rollout, by cluster."""

    def add(self, rollout: Rollout) -> list[NodeRef]:
        """Adds a rollout, and returns the nodes that are in it now.

        An active rollout takes precedence over an ended one that still has something on the same node.
        """
        self.rollouts[rollout.id] = rollout
        own = [ref for ref in rollout.runs if rollout.active or ref not in self._rollout_of]
        for order, ref in enumerate(rollout.runs):
            if rollout.active or ref not in self._rollout_of:
                self._counts[ref.cluster] += ref not in self._rollout_of
                self._rollout_of[ref] = rollout
                self._order[ref] = order
        return own

    def __contains__(self, ref: NodeRef) -> bool:
        return ref in self._rollout_of

    def count_of(self, cluster: str) -> int:
        """Returns how many nodes of a cluster are in a rollout."""
        return self._counts[cluster]

    def nodes_of(self, cluster: str) -> list[NodeRef]:
        """Returns the nodes of a cluster that are in a rollout."""
        return [ref for ref in self._rollout_of if ref.cluster == cluster]

    def rollout_of(self, ref: NodeRef) -> Rollout | None:
        return self._rollout_of.get(ref)

    def run_of(self, ref: NodeRef) -> Run | None:
        rollout = self._rollout_of.get(ref)
        return rollout.runs[ref] if rollout is not None else None

    def order(self, ref: NodeRef) -> int:
        """Returns the node's place in the plan, from 0 on."""
        return self._order[ref]

    def keeps_slot(self, ref: NodeRef) -> bool:
        """Returns whether a run keeps its slot on the node, be it of a rollout that has ended."""
        return any(_keeps_slot(rollout, ref) for rollout in self.rollouts.values())

    def kept_by_other(self, ref: NodeRef, rollout: Rollout) -> Held | None:
        """Returns the reason that holds a node on which the failed run of another rollout keeps its slot, or None.

        Until an operator has released that run nothing is done there, and the release that the node rolled back from is
        not tried on it again.
        """
        holders = (
            candidate
            for candidate in self.rollouts.values()
            if candidate is not rollout and _keeps_slot(candidate, ref)
        )
        holder = next(holders, None)
        if holder is None:
            return None
        run = holder.runs[ref]
        if run.rolled_back and is_release(run.release, rollout.release):
            params = (("by", holder.id), ("booted", run.rolled_back), ("release", run.release.version))
            return Held(Reason.ROLLED_BACK, ref.name, dict(params))
        return Held(Reason.OTHER_ROLLOUT, ref.name, {"by": holder.id})


def _keeps_slot(rollout: Rollout, ref: NodeRef) -> bool:
    return ref in rollout.runs and rollout.runs[ref].slot
