"""Finds the rollouts as they were at a past moment, as far as that is known now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.reporting.node_state import StatusNode
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import RolloutAborted, RolloutPaused, RolloutResumed
from fleet.core.rollout.decisions import RolloutHalted
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState, Step

SOME_STEP = Step.CORDON
"""Stands for the step of a run that was at work at the moment: a rollout does not keep when each step began."""

STATES: Mapping[type[object], RolloutState] = {
    RolloutPaused: RolloutState.PAUSED,
    RolloutResumed: RolloutState.RUNNING,
    RolloutAborted: RolloutState.ABORTED,
    RolloutHalted: RolloutState.HALTED,
}
"""The state of a rollout after a record of each of these types."""
STATE_KINDS = ("pause", "resume", "abort", "halt")
"""The kinds of these records."""


class RolloutThen(Struct, frozen=True):
    """Holds what a rollout was at a past moment and does not keep, since it has changed: from the journal."""

    state: RolloutState
    released_later: frozenset[NodeRef]
    """Failed nodes that still had their slots."""


def rollouts_at(rollouts: Iterable[Rollout], at: datetime, then: Mapping[str, RolloutThen]) -> list[Rollout]:
    """Returns the rollouts that had been started by then. Those that had not ended are active, with runs that had not
    begun, were at work (at SOME_STEP), or had ended. `then`: of each rollout that is not what it was."""
    return [
        _then(rollout, at, then.get(rollout.id, RolloutThen(rollout.state, frozenset())))
        for rollout in rollouts
        if rollout.started_at <= at
    ]


def was_active(rollout: Rollout, at: datetime) -> bool:
    """Returns whether the rollout had been started and had not ended."""
    return rollout.started_at <= at and (rollout.ended_at is None or rollout.ended_at > at)


def without_slots(rollout: Rollout, at: datetime) -> list[NodeRef]:
    """Returns the nodes that had failed by then and have no slot now."""
    if rollout.started_at > at or not rollout.counts[Step.FAILED]:
        return []
    return [
        ref
        for ref, run in rollout.runs.items()
        if run.step is Step.FAILED and not run.slot and run.since is not None and run.since <= at
    ]


def state_at(records: Iterable[tuple[datetime, Journaled]], at: datetime) -> RolloutState:
    """Returns the state that an active rollout had then. `records`: those of the types of STATES, in their order."""
    state = RolloutState.RUNNING
    for moment, record in records:
        if moment <= at and state is not RolloutState.ABORTED:
            state = STATES[type(record)]
    return state


def without_unknown_steps(nodes: Sequence[StatusNode]) -> tuple[StatusNode, ...]:
    """Returns the nodes without the step that only stands for one."""
    return tuple(
        replace(node, step="", since=None)
        if node.state == "running" and node.step == str(SOME_STEP)
        else node
        for node in nodes
    )


def _then(rollout: Rollout, at: datetime, known: RolloutThen) -> Rollout:
    active, later = was_active(rollout, at), known.released_later
    if not active and not later:
        return rollout
    then = copy(rollout)
    then.runs = {ref: _run(run, at, ref in later) for ref, run in rollout.runs.items()}
    if active:
        then.ended_at, then.state = None, known.state
    return then


def _run(run: Run, at: datetime, released_later: bool) -> Run:
    if run.since is not None and run.since <= at:
        return replace(run, slot=True) if released_later else run
    if run.begun is not None and run.begun <= at:
        return replace(run, step=SOME_STEP, since=None, slot=True, why="")
    return Run(run.goal, run.release)
