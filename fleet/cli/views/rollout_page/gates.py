"""The gates and hooks for which a rollout waits, and what lets it go on. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from fleet.core.guards.stages import open_gate
from fleet.core.rollout.hooks.hook_holds import hook_reason
from fleet.core.rollout.hooks.hook_turn import NextMove, turn_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState


def gate_lines(rollout: Rollout) -> Iterator[Text]:
    """Yields a line for each gate that the rollout has reached and that is open, with its remedy where an operator has
    to act."""
    if rollout.state is not RolloutState.RUNNING:
        return
    for point, name in rollout.gates:
        gate = next((gate for gate in point.gates(rollout.policy) if gate.name == name), None)
        held = open_gate(rollout, point, (gate,)) if gate is not None else None
        if held is None:
            continue
        yield Text(f"  {held.message}", "yellow" if held.needs_action else "")
        if held.needs_action:
            yield Text(f"  -> {held.remedy}")


def hook_lines(rollout: Rollout) -> Iterator[Text]:
    """Yields a line for each hook of the rollout or of a stage that runs, or whose outcome nobody knows, with its remedy."""
    for place in dict.fromkeys(place for place, _ in rollout.hooks if place.node is None):
        turn = turn_of(place, place.hooks(rollout.policy), rollout.hooks)
        if turn is None or turn.next is NextMove.FAILED or not rollout.active:
            continue
        held = hook_reason(rollout, place, turn)
        yield Text(f"  {held.message}", "yellow" if held.needs_action else "")
        if held.needs_action:
            yield Text(f"  -> {held.remedy}")
