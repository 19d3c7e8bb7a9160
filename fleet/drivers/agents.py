"""A cluster together with agents that do not run in it: they work for as long as this controller leads there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from fleet.core.records.leadership import Leadership
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.event import ClusterEvent
from fleet.drivers.ports import Cluster


class Agents(Protocol):
    tell: Callable[[ClusterEvent], None]
    """Where they say what they do; set by whoever listens."""

    def see(self, event: ClusterEvent) -> None:
        """What the cluster tells, in order."""
        ...

    async def run(self) -> None:
        """Until it is cancelled. Raises what an agent died of: a bug."""
        ...


class ClusterWithAgents:
    """Of the shape of `Cluster`. `wrapped` and its agents are this object's alone from now on."""

    def __init__(self, wrapped: Cluster, agents: Agents) -> None:
        self.name = wrapped.name
        self._wrapped = wrapped
        self._agents = agents
        self._work: asyncio.Task[None] | None = None

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        return self._wrapped.requests

    async def events(self) -> AsyncGenerator[ClusterEvent, None]:
        """The cluster's, and what the agents say."""
        inbox: asyncio.Queue[ClusterEvent | None] = asyncio.Queue()
        self._agents.tell = inbox.put_nowait
        listening = asyncio.create_task(self._listen(inbox))
        try:
            while (event := await inbox.get()) is not None:
                yield event
            await listening
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen(self, inbox: asyncio.Queue[ClusterEvent | None]) -> None:
        try:
            async for event in self._wrapped.events():
                self._agents.see(event)
                inbox.put_nowait(event)
        finally:
            inbox.put_nowait(None)

    async def perform(self, action: AnyAction) -> Outcome:
        return await self._wrapped.perform(action)

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        told = await self._wrapped.lead(identity, seconds, abandoned, place)
        if not told.held:
            await self._rest()
        elif self._work is None:
            self._work = asyncio.create_task(self._agents.run())
        elif self._work.done():
            self._work.result()
        return told

    async def place(self) -> str:
        return await self._wrapped.place()

    async def resign(self, identity: str) -> None:
        await self._rest()
        await self._wrapped.resign(identity)

    async def close(self) -> None:
        await self._rest()
        await self._wrapped.close()

    async def _rest(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.wait({work})
