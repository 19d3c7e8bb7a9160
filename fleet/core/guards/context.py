"""The context of a guard: one run at one moment, its node as last seen, and the state that all runs share."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.records.held import Held
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.state.engine_state import EngineState
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.wait_queue import WaitKey

Blocker = tuple[WaitKey, Held]
"""The reason that holds a run, and the key that opens when the reason may have changed."""


class GuardContext(Struct, frozen=True, gc=False, eq=False):
    """One run at one moment, with everything that guards read."""

    index: EngineIndex
    """The state that all runs share: limits, reservations of budgets, runs of other rollouts, quorum groups."""
    rollout: Rollout
    run: Run
    view: ClusterView
    """The cluster of the run's node."""
    node: Node | None
    """None: the node is not in its cluster."""
    now: datetime

    @property
    def ref(self) -> NodeRef:
        return self.run.goal.node

    @property
    def state(self) -> EngineState:
        return self.index.state

    @property
    def machine(self) -> Machine | None:
        return self.view.machines.get(self.run.goal.node.name)


def context_of(index: EngineIndex, rollout: Rollout, run: Run, now: datetime) -> GuardContext:
    """Returns the context of a run, with its node as last seen."""
    view = index.state.view(run.node.cluster)
    return GuardContext(index, rollout, run, view, view.nodes.get(run.node.name), now)
