"""What applied at a past moment: the policy and the rollouts of then, as far as they are known now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime

from msgspec import UnsetType
from msgspec.structs import replace

from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.reporting.node_state import StatusNode
from fleet.core.rollout.rollout import Rollout, RolloutState
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step

SOME_STEP = Step.CORDON
"""Stands for the step of a run that was at work at the moment: a rollout does not keep when each step began."""

STATES: Mapping[str, RolloutState] = {
    "pause": RolloutState.PAUSED,
    "resume": RolloutState.RUNNING,
    "abort": RolloutState.ABORTED,
    "halt": RolloutState.HALTED,
}
"""The state of a rollout after a record of each of these kinds."""


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


def rollouts_at(
    rollouts: Iterable[Rollout], at: datetime, states: Mapping[str, RolloutState]
) -> list[Rollout]:
    """Returns the rollouts that had been started by then. Those that had not ended are active, with runs that had not
    begun, were at work (at SOME_STEP), or had ended. `states`: the state of then of each rollout that `changed_later`
    returns."""
    return [
        rollout
        if rollout.ended_at is not None and rollout.ended_at <= at
        else _active(rollout, at, states.get(rollout.id, rollout.state))
        for rollout in rollouts
        if rollout.started_at <= at
    ]


def changed_later(rollouts: Iterable[Rollout], at: datetime) -> list[Rollout]:
    """Returns the rollouts that had been started by then and have changed their state since."""
    return [rollout for rollout in rollouts if rollout.started_at <= at < rollout.state_at]


def state_at(changes: Iterable[tuple[datetime, str]], at: datetime) -> RolloutState:
    """Returns the state that a rollout had then. `changes`: its records of the kinds of STATES, in their order."""
    state = RolloutState.RUNNING
    for moment, kind in changes:
        if moment <= at and state is not RolloutState.ABORTED:
            state = STATES[kind]
    return state


def without_unknown_steps(nodes: Sequence[StatusNode]) -> tuple[StatusNode, ...]:
    """Returns the nodes without the step that only stands for one."""
    return tuple(
        replace(node, step="", since=None)
        if node.state == "running" and node.step == str(SOME_STEP)
        else node
        for node in nodes
    )


def _active(rollout: Rollout, at: datetime, state: RolloutState) -> Rollout:
    then = copy(rollout)
    then.ended_at, then.state = None, state
    then.runs = {ref: _run(run, at) for ref, run in rollout.runs.items()}
    return then


def _run(run: Run, at: datetime) -> Run:
    if run.since is not None and run.since <= at:
        return run
    if run.begun is not None and run.begun <= at:
        return replace(run, step=SOME_STEP, since=None, slot=True, why="")
    return Run(run.goal, run.release)
