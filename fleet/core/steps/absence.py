"""Handles a node that disappears during its run: its owner has removed it, or the machine's kubelet registers again."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.objects import identity
from fleet.core.objects.node import Node
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.decisions import NodeReregistered
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.state.engine_state import EngineState
from fleet.core.steps.context import StepEnd

REBOOTED = frozenset({Step.REBOOT, Step.VERIFY, Step.UNCORDON, Step.SOAK})
"""Steps in which the machine may be down, or just up again, so that its Node object may be gone for a while."""


def node_absent(state: EngineState, rollout: Rollout, run: Run, now: datetime) -> StepEnd | None:
    """Returns how the run ends whose Node object is not there, or None while it may come back.

    From its reboot on the machine has `reboot.timeout` to register again; before the reboot nothing could bring the
    object back. Then the run is cancelled: the release has not failed, the node was removed.
    """
    ref = run.node
    since = state.absent_since.setdefault(ref, now)
    if run.step in REBOOTED:
        begins = [moment for moment in (since, state.view(ref.cluster).synced_at) if moment is not None]
        until = max(begins) + timedelta(seconds=rollout.pool(run).reboot.timeout_seconds)
        if now < until:
            state.timers.wake_at(ref, until)
            params: dict[str, str | int] = {"since": _moment(since), "until": _moment(until)}
            state.hold(ref, Held(Reason.NODE_ABSENT, ref.name, params))
            return None
    del state.absent_since[ref]
    if run.waiting:
        return StepEnd(StepResult.GONE, {"why": Held(Reason.NODE_GONE, ref.name).message})
    if run.step is Step.RETURN:
        return StepEnd(_result_of_return(run), {"why": f"{run.why}; then its owner removed it"})
    why = f"removed by its owner at {_moment(since)}, in step {run.step}"
    if other := identity.elsewhere(run.identity, ref.name, state.view(ref.cluster).nodes.values()):
        why += f"; the same machine is node {other} now"
    return StepEnd(StepResult.GONE, {"why": why})


def node_present(state: EngineState, run: Run) -> None:
    """Ends the absence of the run's node, if it was absent."""
    if state.absent_since.pop(run.node, None) is not None:
        state.hold(run.node)


def node_replaced(
    state: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime
) -> StepEnd | None:
    """Returns how the run ends under whose node's name another Node object stands.

    None: it is of the same machine, which has registered again after its reboot, and the run goes on with it.
    """
    if run.step in REBOOTED and identity.same(run.identity, node):
        why = "the same machine has registered again, as another Node object"
        decision = NodeReregistered(
            rollout=rollout.id, node=run.node, uid=node.uid, was=run.goal.uid, why=why
        )
        state.decide(rollout, decision, now)
        state.mark_dirty(run.node)
        return None
    message = Held(Reason.NODE_REPLACED, run.node.name).message
    if run.waiting:
        return StepEnd(StepResult.GONE, {"why": message})
    if run.step is Step.RETURN:
        return StepEnd(_result_of_return(run), {"why": f"{run.why}; then {message}"})
    return StepEnd(StepResult.GONE, {"why": f"{message}, since step {run.step}"})


def _result_of_return(run: Run) -> StepResult:
    """Returns how a run ends whose node is gone before it was given back: as it would have ended otherwise."""
    return StepResult.CANCELLED if run.cancelled or run.comes_again else StepResult.FAILED


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
