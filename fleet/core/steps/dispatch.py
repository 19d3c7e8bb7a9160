"""A run's next turn: its cluster is seen, its node is the one that was meant, and its step goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from fleet.core.guards import nodes
from fleet.core.objects.node import Node
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Step
from fleet.core.state.agenda import EngineState
from fleet.core.steps.absence import node_absent, node_present, node_replaced
from fleet.core.steps.common import Answer
from fleet.core.steps.drain import cordon, drain
from fleet.core.steps.finish import clean_up, soak, uncordon
from fleet.core.steps.reboot import reboot, verify
from fleet.core.steps.stage import pending, stage, staged


def advance(agenda: EngineState, rollout: Rollout, run: Run, now: datetime) -> Answer:
    """The turn that this run takes now, with what the journal is to say of it."""
    view = agenda.view(run.node.cluster)
    if run.ended:
        clean_up(agenda, rollout, run, now)
        return None
    if not view.synced:
        if view.why_lost:
            agenda.hold(run.node, view.lost)
        return None
    node = view.nodes.get(run.node.name)
    if node is not None and nodes.unseen(node, run.goal.uid):
        # Nothing is done to it, nor judged.
        agenda.hold(run.node, nodes.not_ready(node))
        return None
    if node is None:
        return node_absent(agenda, rollout, run, now)
    node_present(agenda, run)
    if node.uid != run.goal.uid:
        return node_replaced(agenda, rollout, run, node, now)
    return STEPS[run.step](agenda, rollout, run, node, now)


STEPS: Mapping[Step, Callable[[EngineState, Rollout, Run, Node, datetime], Answer]] = {
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
