"""Runs the hooks of rollouts and stages, and ends hooks: by their answers, or because nothing waits for them any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from fleet.core.engine.gate_cache import GateCache
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.rollout.decisions import HookEnded, RolloutHalted
from fleet.core.rollout.hooks.hook_state import HookPlace, HookResult, HookState
from fleet.core.rollout.hooks.hook_turn import NextMove, turn_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.state.engine_state import EngineState
from fleet.core.state.hook_calls import CallKey, HookAnswer
from fleet.core.steps.hooks import advance

LOST = "the controller stopped before it knew"
WAITS: dict[HookMoment, Step] = {HookMoment.BEFORE_NODE: Step.CORDON, HookMoment.AFTER_NODE: Step.UNCORDON}
"""The step of a run that waits for the hooks of its node."""

GOES_ON = (HookMoment.AFTER_NODE, HookMoment.AFTER_ROLLOUT)
"""The hooks that an abort does not stop."""


class HookPlaces:
    def __init__(self, state: EngineState, gates: GateCache) -> None:
        self._state = state
        self._gates = gates
        self._wake: datetime | None = None
        """When the next attempt of a hook of a rollout or a stage may start."""

    def end_hooks(self, rollouts: Mapping[str, Rollout], now: datetime) -> None:
        """Records how hooks have ended, and that nobody knows of those that a controller which has stopped had started."""
        for answer in self._state.hooks.take_answers(now):
            if (rollout := rollouts.get(answer.key[0])) is not None:
                self._end(rollout, answer, now)
        for rollout, key, _ in _running(rollouts.values()):
            if key not in self._state.hooks:
                self._end(rollout, HookAnswer(key, HookResult.UNKNOWN, LOST), now)

    def stop(self, rollouts: Iterable[Rollout]) -> None:
        """Asks to stop the hooks for which nothing waits any more."""
        for rollout, key, state in _running(rollouts):
            if key in self._state.hooks and (state.overruled or not _is_awaited(rollout, key[1])):
                self._state.hooks.stop(key)

    def run(self, now: datetime) -> None:
        """Starts the hooks of rollouts and stages that keep nodes from beginning."""
        self._wake = None
        for rollout, place in self._gates.hook_places():
            if rollout.state is RolloutState.RUNNING:
                self._advance(rollout, place, now)

    def ended(self, rollout: Rollout, now: datetime) -> bool:
        """Runs the hooks after the last nodes of a rollout; returns whether none is left to wait for."""
        for place in _places_at_end(rollout):
            if rollout.state is RolloutState.PAUSED:
                if turn_of(place, place.hooks(rollout.policy), rollout.hooks) is not None:
                    return False
            elif not self._advance(rollout, place, now):
                return False
        return rollout.hooks.idle

    @property
    def wake(self) -> datetime | None:
        """Returns when a hook may be tried again, or is expected to pass in a plan; None: neither is ahead."""
        moments = (self._wake, self._state.hooks.next_end)
        return min((moment for moment in moments if moment is not None), default=None)

    def _advance(self, rollout: Rollout, place: HookPlace, now: datetime) -> bool:
        """Returns whether the hooks of the place are over. A hook that fails halts the rollout; an aborted rollout has
        nothing to wait for."""
        hooks = place.hooks(rollout.policy)
        waits = advance(self._state, rollout, place, hooks, now)
        if waits is None:
            return True
        if isinstance(waits, str):
            if rollout.state is RolloutState.ABORTED:
                return True
            if rollout.why != waits:
                self._state.decide(rollout, RolloutHalted(rollout=rollout.id, why=waits), now)
            return False
        turn = turn_of(place, hooks, rollout.hooks)
        if turn is not None and turn.next is NextMove.START and turn.not_before is not None:
            self._wake = min(self._wake or turn.not_before, turn.not_before)
        # Nobody knows how an aborted rollout's hook has ended, and nobody is asked.
        return turn is not None and turn.next is NextMove.UNKNOWN and rollout.state is RolloutState.ABORTED

    def _end(self, rollout: Rollout, answer: HookAnswer, now: datetime) -> None:
        _, place, name, attempt = answer.key
        state = rollout.hooks.get((place, name))
        if state is None or not state.running or state.attempt != attempt:
            return
        stage = {} if place.moment.of_node or not place.subject else {"stage": place.subject}
        ended = HookEnded(
            rollout=rollout.id,
            node=place.node,
            moment=place.moment,
            hook=name,
            attempt=attempt,
            result=answer.result,
            message=answer.message,
            output=answer.output,
            **stage,
        )
        self._state.decide(rollout, ended, now)
        if place.node is not None:
            self._state.mark_dirty(place.node)


def _running(rollouts: Iterable[Rollout]) -> Iterator[tuple[Rollout, CallKey, HookState]]:
    for rollout in rollouts:
        for (place, name), state in rollout.hooks.running():
            yield rollout, (rollout.id, place, name, state.attempt), state


def _is_awaited(rollout: Rollout, place: HookPlace) -> bool:
    """Returns whether something waits for the hooks of the place.

    An abort ends the wait for what prepares. What proves a node that was rebooted, and what ends the rollout, goes on.
    """
    if rollout.state is RolloutState.ABORTED and place.moment not in GOES_ON:
        return False
    ref = place.node
    return ref is None or rollout.runs[ref].step is WAITS[place.moment]


def _places_at_end(rollout: Rollout) -> Iterator[HookPlace]:
    """Yields the places whose hooks run when all nodes have ended. Nothing runs after a rollout that was aborted before it
    had begun."""
    aborted = rollout.state is RolloutState.ABORTED
    progress = rollout.stages
    if progress is not None and not aborted:
        for index, stage in enumerate(progress.stages):
            if progress.size[index] and stage.hooks:
                yield HookPlace(HookMoment.AFTER_STAGE, stage.name)
    if rollout.policy.hooks and (not aborted or rollout.acted or rollout.hooks):
        yield HookPlace(HookMoment.AFTER_ROLLOUT)
