"""Runs the hooks of a history: they take their time, pass or fail, and end without a word when their controller dies."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import CallKey, HookAnswer, HookCall


class HookClock(Protocol):
    """The time of a history."""

    at: float
    """Seconds since its beginning."""

    def log(self, line: str) -> None: ...

    def later(self, at: float, callback: Callable[[], None]) -> None: ...


class HookServer:
    """Answers for hooks: how each run ends depends on the seed, its token and the time alone."""

    def __init__(self, seed: int, clock: HookClock) -> None:
        self._seed = seed
        self._clock = clock
        self._ended: set[tuple[int, CallKey]] = set()
        """The runs that were stopped: the answers that were to come later are dropped."""
        self.repaired = False
        """True: every hook passes from now on."""

    def run(self, call: HookCall, number: int, deliver: Callable[[HookAnswer], None]) -> None:
        """Runs a hook for the controller of this number."""
        rng = Random(f"{self._seed} hook {call.token} {self._clock.at}")
        seconds = rng.choice([0.1, 5.0, 40.0, 400.0])
        drawn = rng.choices(
            [HookResult.PASSED, HookResult.FAILED, HookResult.UNKNOWN, HookResult.NOT_STARTED],
            weights=[16, 2, 1, 1],
        )[0]
        result = HookResult.PASSED if self.repaired else drawn
        self._ended.discard((number, call.key))

        def end() -> None:
            if (number, call.key) not in self._ended:
                self._ended.add((number, call.key))
                self._clock.log(f"hook {call.token}: {result}")
                deliver(HookAnswer(call.key, result, str(result)))

        self._clock.later(self._clock.at + seconds, end)

    def stop(self, key: CallKey, number: int, deliver: Callable[[HookAnswer], None]) -> None:
        """Stops a hook."""
        if (number, key) not in self._ended:
            self._ended.add((number, key))
            self._clock.log(f"hook {key[2]} {key[1]} is stopped")
            answer = HookAnswer(key, HookResult.STOPPED, "stopped")
            self._clock.later(self._clock.at + 0.1, lambda: deliver(answer))
