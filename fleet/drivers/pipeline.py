"""The pipeline between one cluster and the engine: event filters, action handlers, and the work of the leader.

Events go from the cluster's watch through the filters, in order, into the executor's inbox; an action goes to the first
handler that takes it, or else to the cluster. Filters look Nodes and Pods up in the engine's own view, and keep none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Protocol

from fleet.core.cluster.view import ClusterView
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.event import ClusterEvent
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.drivers.ports import Cluster


class EngineInput(NamedTuple):
    """The engine, as the filters of one cluster see it."""

    view: ClusterView
    """The engine's view of the cluster."""
    put: Callable[[ClusterEvent], None]
    """Puts an event into the executor's inbox."""
    caught_up: Callable[[], Awaitable[None]]
    """Waits until the engine has observed every event that was put so far: then `view` shows them."""
    start: Callable[[Coroutine[Any, Any, None]], object]
    """Starts work that goes on for as long as events are read. What it raises ends the reading."""


class EventFilter(Protocol):
    """Sees what a cluster reports, in order, and adds events of its own."""

    def attach(self, engine: EngineInput) -> None:
        """Called before the first event."""
        ...

    async def before(self, event: ClusterEvent) -> Sequence[ClusterEvent]:
        """Returns what the engine is to get before this event."""
        ...


class ActionHandler(Protocol):
    """Performs some of the actions itself, and may refuse others."""

    async def handle(self, action: AnyAction) -> Outcome | None:
        """Returns what came of the action; None: it is for the next handler."""
        ...


class HookRunner(Protocol):
    """Runs hooks of some kinds in the cluster, or on its nodes."""

    async def run(self, call: HookCall) -> HookAnswer | None:
        """Returns how the hook ended; None: it is for the next runner."""
        ...

    async def discard(self, call: HookCall) -> None:
        """Removes what a hook has left that was stopped. Raises FleetError."""
        ...


class LeaderWork(Protocol):
    """Work that goes on for as long as this controller leads in the cluster."""

    async def run(self) -> None:
        """Runs until it is cancelled. Raises what ended it: a bug."""
        ...


class ClusterPipeline:
    """One cluster, and all that works beside it. They are this object's alone."""

    def __init__(
        self,
        cluster: Cluster,
        filters: Sequence[EventFilter] = (),
        handlers: Sequence[ActionHandler] = (),
        leader_work: LeaderWork | None = None,
        hook_runners: Sequence[HookRunner] = (),
    ) -> None:
        self.cluster = cluster
        self.leader_work = leader_work
        self._filters = tuple(filters)
        self._handlers = tuple(handlers)
        self._hook_runners = tuple(hook_runners)

    def ask_first(self, handler: ActionHandler) -> None:
        """Adds a handler that comes before all others."""
        self._handlers = (handler, *self._handlers)

    async def feed(
        self,
        view: ClusterView,
        put: Callable[[ClusterEvent], None],
        caught_up: Callable[[], Awaitable[None]],
    ) -> None:
        """Puts all events into the executor's inbox, until the cluster is closed. Raises what a filter's work raised."""
        work: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                engine = EngineInput(
                    view, put, caught_up, lambda begun: work.append(group.create_task(begun))
                )
                for event_filter in self._filters:
                    event_filter.attach(engine)
                async for event in self.cluster.events():
                    for event_filter in self._filters:
                        for added in await event_filter.before(event):
                            put(added)
                    put(event)
                for task in work:
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def perform(self, action: AnyAction) -> Outcome:
        """Returns what came of the action."""
        for handler in self._handlers:
            outcome = await handler.handle(action)
            if outcome is not None:
                return outcome
        return await self.cluster.perform(action)

    async def run_hook(self, call: HookCall) -> HookAnswer | None:
        """Returns how the hook ended; None if nothing in this cluster runs hooks of its kind."""
        for runner in self._hook_runners:
            answer = await runner.run(call)
            if answer is not None:
                return answer
        return None

    async def discard_hook(self, call: HookCall) -> None:
        """Removes what a hook has left that was stopped. Raises FleetError."""
        for runner in self._hook_runners:
            await runner.discard(call)
