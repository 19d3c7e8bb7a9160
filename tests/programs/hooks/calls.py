"""Calls of hooks, as the engine makes them."""

from __future__ import annotations

from fleet.core.policy.hooks.hook import AnyHook, HookMoment
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.state.hook_calls import HookCall

FACTS = {
    "FLEET_NODE": 'n-1"; touch /tmp/x; $(reboot) {{ 1 }}',
    "FLEET_TO": "44.2",
    "FLEET_STEP": "before_node",
}


def a_call(hook: AnyHook, rollout: str = "r-1", attempt: int = 1) -> HookCall:
    return HookCall(rollout, HookPlace(HookMoment.BEFORE_NODE, "east/n-1"), hook, attempt, FACTS)
