"""Advances a run by its step function, after checking that its cluster can be seen and its node is that of the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from fleet.core.guards import nodes
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.steps.absence import node_absent, node_present, node_replaced
from fleet.core.steps.context import StepContext, StepEnd
from fleet.core.steps.drain import cordon, drain
from fleet.core.steps.finish import clean_up, soak, uncordon
from fleet.core.steps.reboot import reboot, verify
from fleet.core.steps.stage import pending, stage, staged


def advance(index: EngineIndex, rollout: Rollout, run: Run, now: datetime) -> StepEnd | None:
    """Returns how the run's step ends now, with the detail for the journal; None: the run waits."""
    state = index.state
    view = state.view(run.node.cluster)
    if run.ended:
        clean_up(index, rollout, run, now)
        return None
    if not view.synced:
        if view.why_lost:
            state.hold(run.node, view.lost)
        return None
    node = view.nodes.get(run.node.name)
    if node is not None and nodes.unseen(node, run.goal.uid):
        # Nothing is done to the node, and nothing is concluded from its state.
        state.hold(run.node, nodes.not_ready(node))
        return None
    if node is None:
        return node_absent(state, rollout, run, now)
    node_present(state, run)
    if node.uid != run.goal.uid:
        return node_replaced(state, rollout, run, node, now)
    return STEPS[run.step](StepContext(index, rollout, run, view, node, now))


STEPS: Mapping[Step, Callable[[StepContext], StepEnd | None]] = {
    Step.PENDING: pending,
    Step.STAGE: stage,
    Step.STAGED: staged,
    Step.CORDON: cordon,
    Step.DRAIN: drain,
    Step.REBOOT: reboot,
    Step.VERIFY: verify,
    Step.UNCORDON: uncordon,
    Step.SOAK: soak,
    Step.RETURN: uncordon,
}
"""The function of each step in which a run can be."""
