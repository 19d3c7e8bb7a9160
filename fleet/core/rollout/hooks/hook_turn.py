"""Decides what is next for the hooks of one place: they run in order, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from fleet.core.policy.hooks.hook import AnyHook, JobHook
from fleet.core.rollout.hooks.hook_state import HookKey, HookPlace, HookResult, HookState

RETRY_SECONDS = 10.0
"""The delay before the second attempt. It doubles with each further one, up to `LONGEST_DELAY`."""
LONGEST_DELAY = 120.0
"""Seconds."""
MOST_REPEATS = 5
"""How often a hook is run again whose outcome nobody knew."""


class NextMove(StrEnum):
    """Says what is next for a hook."""

    START = "start"
    WAIT = "wait"
    """It runs."""
    FAILED = "failed"
    """It has failed for good."""
    UNKNOWN = "unknown"
    """Nobody knows whether it has done its work, and it may not run again by itself."""


class HookTurn(Struct, frozen=True):
    """The first hook of a place that has not passed."""

    hook: AnyHook
    next: NextMove
    state: HookState | None = None
    """None: it has not been started."""
    attempt: int = 1
    not_before: datetime | None = None
    """When the next attempt may start. None: at once."""


def turn_of(
    place: HookPlace, hooks: Sequence[AnyHook], states: Mapping[HookKey, HookState]
) -> HookTurn | None:
    """Returns the first hook that keeps waiting what waits for this place; None: nothing does."""
    for hook in hooks:
        turn = _turn(hook, states.get((place, hook.name)))
        if turn is not None:
            return turn
    return None


def _turn(hook: AnyHook, state: HookState | None) -> HookTurn | None:
    if state is None:
        return HookTurn(hook, NextMove.START)
    if state.passed:
        return None
    if state.running:
        return HookTurn(hook, NextMove.WAIT, state, state.attempt)
    if state.result is HookResult.FAILED and state.attempt < hook.attempts:
        return HookTurn(hook, NextMove.START, state, state.attempt + 1, _later(state, state.attempt))
    not_started = state.result is HookResult.NOT_STARTED
    if not_started or _may_repeat(hook, state):
        # The same attempt: a Job and a receiver of requests know it again by its token.
        not_before = _later(state, state.repeats + not_started)
        return HookTurn(hook, NextMove.START, state, state.attempt, not_before)
    if hook.on_failure == "continue":
        return None
    failed = state.result is HookResult.FAILED
    return HookTurn(hook, NextMove.FAILED if failed else NextMove.UNKNOWN, state, state.attempt)


def _may_repeat(hook: AnyHook, state: HookState) -> bool:
    """A Job is found again by its name, so that it is never made twice."""
    safe = hook.idempotent or isinstance(hook, JobHook)
    return state.result is HookResult.UNKNOWN and safe and state.repeats < MOST_REPEATS


def _later(state: HookState, times: int) -> datetime | None:
    if state.ended is None or not times:
        return None
    return state.ended + timedelta(seconds=min(LONGEST_DELAY, RETRY_SECONDS * 2.0 ** (times - 1)))
