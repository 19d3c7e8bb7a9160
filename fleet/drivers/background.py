"""Runs the measurements of gates, and hooks, beside the executor's loop. Their answers wait here for the next turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

from fleet.core.engine.engine import Engine
from fleet.core.engine.gate_questions import GateAnswer, GateQuestion
from fleet.core.records.errors import FleetError
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import CallKey, HookAnswer, HookCall

Measure = Callable[[GateQuestion], Awaitable[GateAnswer]]


class HookDriver(Protocol):
    """Runs hooks of all kinds."""

    async def run(self, call: HookCall) -> HookAnswer:
        """Returns how the hook ended."""
        ...

    async def discard(self, call: HookCall) -> None:
        """Removes what a hook has left that was stopped. Raises FleetError."""
        ...


Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class BackgroundWork:
    def __init__(
        self,
        measure: Measure,
        hooks: HookDriver,
        spawn: Spawn,
        news: Callable[[], None],
        why_not: Callable[[str], Awaitable[str]],
    ) -> None:
        """`measure` measures a gate once, `hooks` runs hooks. `spawn` starts a task whose errors end the
        loop. `news` is called when an answer is there. `why_not` returns why nothing that must not
        happen twice may begin in a cluster now; empty: it may."""
        self._measure = measure
        self._driver = hooks
        self._spawn = spawn
        self._news = news
        self._why_not = why_not
        self._answers: deque[GateAnswer | HookAnswer] = deque()
        self._hooks: dict[CallKey, asyncio.Task[None]] = {}
        self._stopped: set[CallKey] = set()

    def deliver(self, engine: Engine, now: datetime) -> None:
        """Gives the answers to the engine."""
        while self._answers:
            answer = self._answers.popleft()
            if isinstance(answer, HookAnswer):
                engine.hooks.answered(answer)
            else:
                engine.gate_questions.answered(answer, now)

    def begin(self, engine: Engine, now: datetime) -> None:
        """Begins what the engine wants next, and stops the hooks that it wants no more."""
        for question in engine.gate_questions.take(now):
            self._spawn(self._ask(question))
        stops = set(engine.hooks.take_stops())
        for call in engine.hooks.take():
            if call.key in stops:
                # A task that is cancelled before it runs would give no answer.
                self._answer(HookAnswer(call.key, HookResult.STOPPED, "it was not started"))
            else:
                self._hooks[call.key] = self._spawn(self._run(call))
        for key in stops & self._hooks.keys():
            self._stopped.add(key)
            self._hooks[key].cancel()

    async def _ask(self, question: GateQuestion) -> None:
        self._answer(await self._measure(question))

    async def _run(self, call: HookCall) -> None:
        try:
            why = await self._why_not(call.cluster)
            not_started = HookAnswer(call.key, HookResult.NOT_STARTED, why)
            answer = not_started if why else await self._driver.run(call)
        except asyncio.CancelledError:
            if call.key not in self._stopped:
                raise
            answer = await self._stop(call)
        self._stopped.discard(call.key)
        del self._hooks[call.key]
        self._answer(answer)

    async def _stop(self, call: HookCall) -> HookAnswer:
        try:
            await self._driver.discard(call)
        except FleetError as error:
            return HookAnswer(call.key, HookResult.STOPPED, f"it may still run: {error.message}")
        return HookAnswer(call.key, HookResult.STOPPED, "nothing waits for it any more")

    def _answer(self, answer: GateAnswer | HookAnswer) -> None:
        self._answers.append(answer)
        self._news()
