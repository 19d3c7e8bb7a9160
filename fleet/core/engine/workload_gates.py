"""Notes how ready workloads are before the nodes of a point begin, and measures the gates that compare with this."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from fleet.core.cluster.ready_workloads import less_ready, ready_on
from fleet.core.cluster.view import ClusterView
from fleet.core.policy.gate import GateVerdict, WorkloadsGate
from fleet.core.rollout.decisions import WorkloadsNoted
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.stages.gate_state import POOL, STAGE, GatePoint
from fleet.core.state.engine_state import EngineState
from fleet.core.text.counts import counted

MOST = 5000
"""The most workloads of one cluster that are noted for a point."""
NAMED = 10
"""The most workloads that a message names."""


class WorkloadGates:
    """The gates about workloads, of all rollouts of one engine."""

    def __init__(self, state: EngineState, foretells: bool) -> None:
        """`foretells`: the engine makes a plan on a model, in which these gates pass by time."""
        self._state = state
        self._foretells = foretells

    def note(self, rollout: Rollout, run: Run, now: datetime) -> None:
        """Records how ready the workloads are, right before the run begins: for each point whose gates compare with
        that, if no run of the point has begun in this cluster."""
        view = self._state.view(run.node.cluster)
        for point in _points(rollout, run):
            noted = (point, view.name) in rollout.gates.noted
            if not self._foretells and not noted and _compares(rollout, point):
                self._state.decide(rollout, _note(rollout, point, view), now)

    def measure(self, rollout: Rollout, point: GatePoint) -> tuple[GateVerdict, str]:
        """Returns whether the workloads of the point are as ready as before, and a message that names those that are
        not. Unknown, if there is nothing to compare."""
        begun = {run.node.cluster for run in _runs_of(rollout, point) if run.begun is not None}
        if not begun:
            return GateVerdict.GOOD, "none of its nodes has begun"
        below, compared = [], 0
        for cluster in sorted(begun):
            noted, view = rollout.gates.noted.get((point, cluster)), self._state.view(cluster)
            if noted is None:
                return GateVerdict.UNKNOWN, f"{cluster}: the journal does not have what was ready before"
            if noted.left_out:
                return GateVerdict.UNKNOWN, f"{cluster}: more than {MOST:,} workloads had pods on these nodes"
            if not view.synced:
                return GateVerdict.UNKNOWN, f"{cluster}: {view.lost.message}"
            below += [f"{cluster}: {each}" for each in less_ready(view, noted.ready)]
            compared += len(noted.ready)
        if below:
            more = f"; {len(below) - NAMED} more" if len(below) > NAMED else ""
            return GateVerdict.BAD, "; ".join(below[:NAMED]) + more
        if not compared:
            return GateVerdict.UNKNOWN, "no workload had pods on these nodes"
        return GateVerdict.GOOD, f"{counted(compared, 'workload')} as ready as before"


def _note(rollout: Rollout, point: GatePoint, view: ClusterView) -> WorkloadsNoted:
    nodes = (run.node.name for run in _runs_of(rollout, point) if run.node.cluster == view.name)
    ready = ready_on(view, nodes)
    noted = dict(islice(ready.items(), MOST))
    left_out = len(ready) - len(noted)
    return WorkloadsNoted(rollout=rollout.id, point=point, cluster=view.name, ready=noted, left_out=left_out)


def _points(rollout: Rollout, run: Run) -> Iterator[GatePoint]:
    """Yields the points behind this run."""
    if run.goal.canary:
        yield GatePoint(POOL, run.goal.pool)
    progress = rollout.stages
    if progress is not None and (index := progress.index(run.node)) < len(progress.stages):
        yield GatePoint(STAGE, progress.stages[index].name)


def _compares(rollout: Rollout, point: GatePoint) -> bool:
    return any(isinstance(gate, WorkloadsGate) for gate in point.gates(rollout.policy))


def _runs_of(rollout: Rollout, point: GatePoint) -> Iterator[Run]:
    """Yields the runs whose nodes count for the point: those of the stage; behind canaries those of the whole pool,
    since any of its nodes may become the next canary."""
    progress = rollout.stages
    for run in rollout.runs.values():
        if point.of == POOL:
            if run.goal.pool == point.name:
                yield run
        elif progress is not None:
            index = progress.index(run.node)
            if index < len(progress.stages) and progress.stages[index].name == point.name:
                yield run
