"""Finds the blockers of a waiting run: first the gate of its group, then the reasons of the guards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fleet.core.engine.gate_cache import GateCache, gate_key
from fleet.core.guards.context import Blocker, context_of
from fleet.core.guards.guards import Moment, blockers
from fleet.core.guards.pods.drainable import groups_asked
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.wait_queue import WaitKey


class Blockers:
    """Asks the gate and the guards whether a waiting run may take its slot."""

    def __init__(self, index: EngineIndex, gates: GateCache, foretells: bool = False) -> None:
        """`foretells`: the answers make a plan, so that what a model cannot predict holds a run too."""
        self._index = index
        self._gates = gates
        self._moment = Moment.SLOT | Moment.PLAN if foretells else Moment.SLOT

    def asks(self, run: Run) -> tuple[str, ...]:
        """Returns the groups of operators' pods on the node for which an eviction will be requested although no budget
        allows one."""
        return groups_asked(self._index.state.view(run.node.cluster), run.node)

    def first(self, rollout: Rollout, run: Run, now: datetime) -> Blocker | None:
        """Returns the first blocker, or None. The gates are those that this decision has already determined."""
        return next(self._all(rollout, run, self._gates.held(rollout, run, now), now), None)

    def all(self, rollout: Rollout, run: Run, now: datetime) -> Iterator[Blocker]:
        """Yields every blocker of the run, with gates that are determined again."""
        return self._all(rollout, run, self._gates.evaluate(rollout, run, now), now)

    def own(self, rollout: Rollout, run: Run, now: datetime) -> Iterator[Held]:
        """Yields the reasons that hold this run itself, apart from the gate of its group."""
        return (held for _, held in self._all(rollout, run, None, now))

    def _all(self, rollout: Rollout, run: Run, gate: Held | None, now: datetime) -> Iterator[Blocker]:
        context = context_of(self._index, rollout, run, now)
        if not context.view.synced:
            yield WaitKey("node", run.node), context.view.lost
            return
        # If no node can be the next canary, what holds this node is reported first: once that is resolved, this node
        # may be the canary.
        vacant = gate is not None and gate.reason is Reason.NO_CANARY
        if gate and not vacant:
            yield gate_key(rollout, run), gate
        kept = False
        for key, held in blockers(self._moment, context):
            kept |= held.reason in (Reason.OTHER_ROLLOUT, Reason.ROLLED_BACK)
            # The cordon of a run that keeps its slot adds nothing to that reason.
            if not (kept and held.reason is Reason.OTHER_CORDON):
                yield key, held
        if gate and vacant:
            yield gate_key(rollout, run), gate
