"""Holds what waits for a hook of a rollout or a stage; and the reason of whatever waits for any hook."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.policy.hooks.hook import AnyHook, HookMoment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.rollout.hooks.hook_turn import HookTurn, NextMove, turn_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.text.durations import format_duration

HELD_BY_HOOKS = (Reason.HOOK, Reason.HOOK_UNKNOWN)


def before_rollout(rollout: Rollout) -> Held | None:
    """Returns the hook before the rollout that has not passed, or None."""
    hooks = rollout.policy.hooks
    return _open(rollout, HookPlace(HookMoment.BEFORE_ROLLOUT), hooks.before) if hooks else None


def of_stage(rollout: Rollout, index: int, moment: HookMoment) -> Held | None:
    """Returns the hook of a stage of the rollout that has not passed, or None."""
    stages = rollout.policy.stages or ()
    stage = stages[index] if index < len(stages) else None
    if stage is None or not stage.hooks:
        return None
    return _open(rollout, HookPlace(moment, stage.name), stage.hooks.at(moment))


def _open(rollout: Rollout, place: HookPlace, hooks: Sequence[AnyHook]) -> Held | None:
    turn = turn_of(place, hooks, rollout.hooks)
    return hook_reason(rollout, place, turn) if turn is not None else None


def hook_reason(rollout: Rollout, place: HookPlace, turn: HookTurn) -> Held:
    """Returns the reason of what waits for the hook."""
    facts: dict[str, str | int] = {
        "rollout": rollout.id,
        "moment": str(place.moment),
        "of": place.subject,
        "place": str(place),
        "node": f" --node {place.subject}" if place.moment.of_node else "",
    }
    if turn.next is NextMove.UNKNOWN:
        why = turn.state.message if turn.state is not None else ""
        return Held(Reason.HOOK_UNKNOWN, turn.hook.name, {**facts, "why": why})
    return Held(Reason.HOOK, turn.hook.name, {**facts, "state": _state(turn)})


def _state(turn: HookTurn) -> str:
    state, limit = turn.state, format_duration(turn.hook.timeout_seconds)
    if turn.next is NextMove.WAIT and state is not None:
        since = f"runs since {state.started:%Y-%m-%d %H:%M:%S} UTC, for {limit} at most"
        return f"{since}, attempt {turn.attempt} of {turn.hook.attempts}" if turn.hook.attempts > 1 else since
    if state is None:
        return "not started yet"
    if turn.next is NextMove.FAILED:
        return f"failed: {state.message}"
    return f"{state.result}: {state.message}; it runs again"
