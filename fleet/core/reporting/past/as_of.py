"""What applied at a past moment: the policy and the rollouts of then, as far as they are known now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.reporting.node_state import StatusNode
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import NodeReleased, RolloutAborted, RolloutPaused, RolloutResumed
from fleet.core.rollout.decisions import RolloutHalted
from fleet.core.rollout.rollout import Rollout, RolloutState
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step

SOME_STEP = Step.CORDON
"""Stands for the step of a run that was at work at the moment: a rollout does not keep when each step began."""

STATES: Mapping[type[object], RolloutState] = {
    RolloutPaused: RolloutState.PAUSED,
    RolloutResumed: RolloutState.RUNNING,
    RolloutAborted: RolloutState.ABORTED,
    RolloutHalted: RolloutState.HALTED,
}
"""The state of a rollout after a record of each of these types."""
CHANGES = ("pause", "resume", "abort", "halt", "release")
"""The kinds of the journal's records that change what a rollout keeps only as it is now."""


def policy_at(present: Policy, rollouts: Iterable[Rollout], at: datetime) -> Policy:
    """Returns the policy of the last rollout that had been started by then; where there was none, the present one.
    Releases that were published later are left out.

    `rollouts`: all of them, in the order of their starts.
    """
    started = [rollout.start.policy for rollout in rollouts if rollout.started_at <= at]
    policy = next((each for each in reversed(started) if each.pools), present)
    streams = tuple(
        replace(stream, releases=tuple(each for each in stream.releases if _was_out(each, at)))
        for stream in policy.streams
    )
    return replace(policy, streams=streams)


def _was_out(release: Release, at: datetime) -> bool:
    return isinstance(release.released, UnsetType) or release.released <= at


class RolloutThen(Struct, frozen=True):
    """What a rollout was at a past moment and does not keep, since it has changed: from the journal."""

    state: RolloutState
    released_later: frozenset[NodeRef]
    """Failed nodes that still had their slots."""


def rollouts_at(rollouts: Iterable[Rollout], at: datetime, then: Mapping[str, RolloutThen]) -> list[Rollout]:
    """Returns the rollouts that had been started by then. Those that had not ended are active, with runs that had not
    begun, were at work (at SOME_STEP), or had ended. `then`: of each rollout for which `has_changed` is true."""
    return [
        _active(rollout, at, then.get(rollout.id)) if _was_active(rollout, at) else rollout
        for rollout in rollouts
        if rollout.started_at <= at
    ]


def has_changed(rollout: Rollout, at: datetime) -> bool:
    """Returns whether the rollout was active then, and may have had another state or more slots than it keeps."""
    return _was_active(rollout, at) and (
        rollout.state_at > at
        or any(run.step is Step.FAILED and not run.slot for run in rollout.runs.values())
    )


def rollout_then(records: Iterable[tuple[datetime, Journaled]], at: datetime) -> RolloutThen:
    """Returns what an active rollout was then. `records`: those of the kinds of CHANGES, in their order."""
    state, later = RolloutState.RUNNING, set[NodeRef]()
    for moment, record in records:
        if isinstance(record, NodeReleased):
            later |= {record.node} if moment > at else set()
        elif moment <= at and state is not RolloutState.ABORTED:
            state = STATES[type(record)]
    return RolloutThen(state, frozenset(later))


def _was_active(rollout: Rollout, at: datetime) -> bool:
    return rollout.started_at <= at and (rollout.ended_at is None or rollout.ended_at > at)


def without_unknown_steps(nodes: Sequence[StatusNode]) -> tuple[StatusNode, ...]:
    """Returns the nodes without the step that only stands for one."""
    return tuple(
        replace(node, step="", since=None)
        if node.state == "running" and node.step == str(SOME_STEP)
        else node
        for node in nodes
    )


def _active(rollout: Rollout, at: datetime, known: RolloutThen | None) -> Rollout:
    then = copy(rollout)
    then.ended_at = None
    later: frozenset[NodeRef] = frozenset()
    if known is not None:
        then.state, later = known.state, known.released_later
    then.runs = {ref: _run(run, at, ref in later) for ref, run in rollout.runs.items()}
    return then


def _run(run: Run, at: datetime, released_later: bool) -> Run:
    if run.since is not None and run.since <= at:
        return replace(run, slot=True) if released_later and run.step is Step.FAILED else run
    if run.begun is not None and run.begun <= at:
        return replace(run, step=SOME_STEP, since=None, slot=True, why="")
    return Run(run.goal, run.release)
