"""A node that goes away while it is worked on: removed by its owner, or registered anew by the machine's kubelet."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.guards import nodes
from fleet.core.objects import identity
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.state.agenda import EngineState
from fleet.core.steps.common import Answer

REBOOTED = frozenset({Step.REBOOT, Step.VERIFY, Step.UNCORDON, Step.SOAK})
"""Steps in which the machine may be down, or just up again, so that its Node object may be gone for a while."""


def node_absent(agenda: EngineState, rollout: Rollout, run: Run, now: datetime) -> Answer:
    """The Node object is not there. From its reboot on the machine has `reboot.timeout` to register again; before it
    nothing could bring the object back. Then the run is cancelled: the release has not failed, the node was removed."""
    ref = run.node
    since = agenda.absent_since.setdefault(ref, now)
    if run.step in REBOOTED:
        begins = [moment for moment in (since, agenda.view(ref.cluster).synced_at) if moment is not None]
        until = max(begins) + timedelta(seconds=rollout.pool(run).reboot.timeout_seconds)
        if now < until:
            agenda.wake_at(ref, until)
            facts: dict[str, str | int] = {"since": _moment(since), "until": _moment(until)}
            agenda.hold(ref, Held(Reason.NODE_ABSENT, ref.name, facts))
            return None
    del agenda.absent_since[ref]
    if run.waiting:
        return StepResult.GONE, {"why": Held(Reason.NODE_GONE, ref.name).message}
    if run.step is Step.RETURN:
        return _returned(run), {"why": f"{run.why}; then its owner removed it"}
    why = f"removed by its owner at {_moment(since)}, in step {run.step}"
    if other := identity.elsewhere(run.identity, ref.name, agenda.view(ref.cluster).nodes.values()):
        why += f"; the same machine is node {other} now"
    return StepResult.GONE, {"why": why}


def node_present(agenda: EngineState, run: Run) -> None:
    """The Node object is there."""
    if agenda.absent_since.pop(run.node, None) is not None:
        agenda.hold(run.node)


def node_replaced(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Another Node object stands under the name: of the same machine, or of another one."""
    if run.step in REBOOTED and identity.same(run.identity, node):
        why = "the same machine has registered again, as another Node object"
        agenda.decide(rollout, "re-registered", now, node=run.node, uid=node.uid, was=run.goal.uid, why=why)
        agenda.mark_dirty(run.node)
        return None
    held = nodes.held(run.node.name, run.goal.uid, node, None, rollout.id, (), now)
    words = held.message if held is not None else ""
    if run.waiting:
        return StepResult.GONE, {"why": words}
    if run.step is Step.RETURN:
        return _returned(run), {"why": f"{run.why}; then {words}"}
    return StepResult.GONE, {"why": f"{words}, since step {run.step}"}


def _returned(run: Run) -> StepResult:
    """Returns how a run ends whose node is gone before it was given back: as it would have ended otherwise."""
    return StepResult.CANCELLED if run.cancelled else StepResult.FAILED


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
