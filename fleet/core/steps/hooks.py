"""Runs the hooks of one place in order: starts what is next, and waits for what runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.core.policy.hooks.hook import AnyHook, HookMoment
from fleet.core.records.held import Held
from fleet.core.rollout.decisions import HookStarted
from fleet.core.rollout.hooks.hook_facts import facts_of
from fleet.core.rollout.hooks.hook_holds import hook_reason
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.rollout.hooks.hook_turn import HookTurn, NextMove, turn_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.engine_state import EngineState
from fleet.core.state.hook_calls import HookCall
from fleet.core.steps.context import StepContext

WaitOrFailure = Held | str | None
"""The reason for which a hook is waited for; a text: why one has failed for good; None: all have passed."""


def run_hooks(context: StepContext, moment: HookMoment) -> WaitOrFailure:
    """Runs the hooks of the run's node."""
    hooks = context.rollout.pool(context.run).hooks
    if not hooks:
        return None
    place = HookPlace(moment, str(context.ref))
    waits = advance(context.state, context.rollout, place, hooks.at(moment), context.now)
    turn = turn_of(place, hooks.at(moment), context.rollout.hooks)
    if turn is not None and turn.next is NextMove.START:
        if turn.not_before is not None and turn.not_before > context.now:
            context.wake_at(turn.not_before)
        else:
            context.recheck()
    return waits


def is_running(context: StepContext) -> bool:
    """Returns whether a hook of the run's node has been started and has not ended."""
    if not context.rollout.pool(context.run).hooks:
        return False
    subject = str(context.ref)
    return any(place.subject == subject for (place, _), _ in context.rollout.hooks.running())


def advance(
    state: EngineState, rollout: Rollout, place: HookPlace, hooks: Sequence[AnyHook], now: datetime
) -> WaitOrFailure:
    """Starts the next hook of the place if it may start now, and returns what is waited for."""
    turn = turn_of(place, hooks, rollout.hooks)
    if turn is None:
        return None
    due = turn.not_before is None or turn.not_before <= now
    if turn.next is NextMove.START and due and not state.hooks.full:
        turn = _start(state, rollout, place, turn, now)
    if turn.next is NextMove.FAILED:
        return failure_of(place, turn)
    return hook_reason(rollout, place, turn)


def failure_of(place: HookPlace, turn: HookTurn) -> str:
    """Returns why what waits for the hook cannot go on."""
    message = turn.state.message if turn.state is not None else ""
    return f"hook {turn.hook.name} {place.when} failed: {message}"


def _start(state: EngineState, rollout: Rollout, place: HookPlace, turn: HookTurn, now: datetime) -> HookTurn:
    stage = {} if place.moment.of_node or not place.subject else {"stage": place.subject}
    started = HookStarted(
        rollout=rollout.id,
        node=place.node,
        moment=place.moment,
        hook=turn.hook.name,
        attempt=turn.attempt,
        **stage,
    )
    state.decide(rollout, started, now)
    facts = facts_of(rollout, place, turn.hook, turn.attempt)
    state.hooks.start(HookCall(rollout.id, place, turn.hook, turn.attempt, facts), now)
    return HookTurn(turn.hook, NextMove.WAIT, rollout.hooks[place, turn.hook.name], turn.attempt)
