"""Runs a hook where it belongs: on this machine, or in its cluster."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.drivers.pipeline import ClusterPipeline
from fleet.hooks.local import run_hook


class AllHooks:
    """The hooks of one controller."""

    def __init__(self, pipelines: Mapping[str, ClusterPipeline]) -> None:
        self._pipelines = pipelines

    async def run(self, call: HookCall) -> HookAnswer:
        """Returns how the hook ended. One that nothing here can run has failed."""
        answer = await run_hook(call)
        pipeline = self._pipelines.get(call.cluster)
        if answer is None and pipeline is not None:
            answer = await pipeline.run_hook(call)
        why = f"cluster {call.cluster or 'of no name'} runs no hooks of this kind"
        return answer or HookAnswer(call.key, HookResult.FAILED, why)

    async def discard(self, call: HookCall) -> None:
        """Removes what a hook has left that was stopped. Raises FleetError."""
        if (pipeline := self._pipelines.get(call.cluster)) is not None:
            await pipeline.discard_hook(call)
