"""Cleans up after ended runs: their nodes may still have marks of fleet, or requests to their machines."""

from __future__ import annotations

from datetime import datetime

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.decisions import NodeCleaned
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.steps.finish import clean_up


class Cleanup:
    """The nodes that still have to be cleaned up, by rollout."""

    def __init__(self, index: EngineIndex) -> None:
        self._index = index
        self._nodes: dict[str, dict[NodeRef, None]] = {}

    @property
    def pending(self) -> bool:
        """Returns whether a node of any rollout has yet to be cleaned up."""
        return any(self._nodes.values())

    def add_rollout(self, rollout: Rollout) -> None:
        """Adds the nodes of all runs of the rollout that have ended."""
        self._nodes[rollout.id] = {run.node: None for run in rollout.runs.values() if run.ended}

    def add_node(self, rollout: Rollout, ref: NodeRef) -> None:
        """Adds a node whose run has ended, or was released."""
        self._nodes[rollout.id][ref] = None

    def advance(self, rollout: Rollout, now: datetime) -> bool:
        """Issues what the nodes of the rollout still need, and returns whether all of them are clean."""
        left = self._nodes[rollout.id]
        for ref in list(left):
            if clean_up(self._index, rollout, rollout.runs[ref], now):
                del left[ref]
                if ref in rollout.needs_cleanup:
                    self._index.state.decide(rollout, NodeCleaned(rollout=rollout.id, node=ref), now)
        return not left
