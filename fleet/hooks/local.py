"""Runs the hooks that need nothing but the controller's machine."""

from __future__ import annotations

from fleet.core.policy.hooks.hook import CommandHook, HttpHook
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.hooks.program import run_program
from fleet.hooks.web_request import send_request


async def run_hook(call: HookCall) -> HookAnswer | None:
    """Returns how the hook ended; None for a kind that is run in its cluster, or on its node."""
    match call.hook:
        case CommandHook() as hook:
            return await run_program(call, hook)
        case HttpHook() as hook:
            return await send_request(call, hook)
        case _:
            return None
