"""A cluster together with its quorum groups: their readings come among its events, and what concerns them is done to
them. Right before a reboot each group of the node is read once more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime

from fleet.core.guards import quorum
from fleet.core.quorum.quorum import Quorum, fresh
from fleet.core.records.errors import FleetError
from fleet.core.records.leadership import Leadership
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, Defragment, MoveLeader, Outcome, Reboot, Result, SaveSnapshot
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Deleted, Upserted
from fleet.drivers.groups import QuorumClient, QuorumClients
from fleet.drivers.ports import Clock, Cluster

LOOK_SECONDS = 5.0
"""Between two looks which groups are to be read again."""


class ClusterWithQuorums:
    """Of the shape of `Cluster`. `wrapped` and its groups are this object's alone from now on."""

    def __init__(self, wrapped: Cluster, groups: QuorumClients, clock: Clock) -> None:
        self.name = wrapped.name
        self._wrapped = wrapped
        self._groups = groups
        self._clock = clock
        self._last: dict[str, Quorum] = {}
        self._inbox: asyncio.Queue[ClusterEvent | None] | None = None
        self._changed = asyncio.Event()
        """There are other groups than at the last reading."""

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        return self._wrapped.requests

    async def events(self) -> AsyncGenerator[ClusterEvent, None]:
        """Every group has been read before the cluster counts as synced: nothing begins without knowing them."""
        inbox = self._inbox = asyncio.Queue()
        listener = asyncio.create_task(self._listen(inbox))
        reader: asyncio.Task[None] | None = None
        try:
            while (event := await inbox.get()) is not None:
                if isinstance(event, ClusterSynced):
                    for told in await self._read_some(list(self._groups)):
                        yield told
                    reader = reader or asyncio.create_task(self._read_on(inbox))
                yield event
            # Whatever ended the one or the other is not to be lost.
            for task in (reader, listener):
                if task is not None and task.done():
                    task.result()
            await listener
        finally:
            for task in (listener, reader):
                if task is not None:
                    task.cancel()
            await asyncio.gather(listener, *([reader] if reader else []), return_exceptions=True)

    async def perform(self, action: AnyAction) -> Outcome:
        match action:
            case MoveLeader() | SaveSnapshot() | Defragment():
                return await self._serve(action)
            case Reboot() if why := await self._forbidden(action):
                return Outcome(action, Result.STALE, why)
            case _:
                return await self._wrapped.perform(action)

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        return await self._wrapped.lead(identity, seconds, abandoned, place)

    async def place(self) -> str:
        return await self._wrapped.place()

    async def resign(self, identity: str) -> None:
        await self._wrapped.resign(identity)

    async def close(self) -> None:
        await self._wrapped.close()

    async def _listen(self, inbox: asyncio.Queue[ClusterEvent | None]) -> None:
        try:
            async for event in self._wrapped.events():
                if self._groups.see(event):
                    self._changed.set()
                inbox.put_nowait(event)
        finally:
            inbox.put_nowait(None)

    async def _read_on(self, inbox: asyncio.Queue[ClusterEvent | None]) -> None:
        try:
            while True:
                await self._some_due()
                for event in await self._read_some(self._due_now()):
                    inbox.put_nowait(event)
        finally:
            inbox.put_nowait(None)

    async def _some_due(self) -> None:
        """Until it is time, or there are other groups."""
        ways = [
            asyncio.ensure_future(self._clock.sleep(LOOK_SECONDS)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()

    def _due_now(self) -> list[QuorumClient]:
        """All, where some are others than before."""
        now = self._clock.now()
        return [group for group in self._groups if self._changed.is_set() or self._rested(group, now)]

    async def _read_some(self, groups: Sequence[QuorumClient]) -> list[ClusterEvent]:
        """Side by side: one that does not answer keeps no other."""
        self._changed.clear()
        found = await asyncio.gather(*(self._read(group) for group in groups))
        gone = [name for name in self._last if self._groups.get(name) is None]
        lost: list[ClusterEvent] = [Deleted(self.name, self._last.pop(name)) for name in gone]
        return [*lost, *(event for event in found if event is not None)]

    def _rested(self, group: QuorumClient, now: datetime) -> bool:
        last = self._last.get(group.name)
        return last is None or last.read_at is None or (now - last.read_at).total_seconds() >= group.rest

    async def _read(self, group: QuorumClient) -> ClusterEvent | None:
        told = await group.read(self._clock.now())
        if self._groups.get(group.name) is not group:
            return None
        before = self._last.get(group.name)
        if told is not None:
            self._last[group.name] = told
            return Upserted(self.name, told)
        if before is None:
            return None
        del self._last[group.name]
        return Deleted(self.name, before)

    async def _forbidden(self, action: Reboot) -> str:
        """Why the node must not go in this very moment; empty: it may."""
        for name, rule in action.quorums.items():
            group = self._groups.get(name)
            if group is None:
                return f"quorum group {name} is not known to this controller"
            begun = self._clock.now()
            told = await group.read(begun)
            if told is None or not fresh(told, rule, self._clock.now()):
                return f"quorum group {name} could not be read in time"
            if why := quorum.why_no_reboot(told, rule, action.node):
                return why
        return await self._unthought(action)

    async def _unthought(self, action: Reboot) -> str:
        """A group with a voter there that was not known when the reboot was decided."""
        for group in self._groups:
            if group.name in action.quorums:
                continue
            told = self._last.get(group.name) or await group.read(self._clock.now())
            if told is not None and any(member.voter for member in told.on(action.node)):
                return f"quorum group {group.name} has a member there, which was not known before"
        return ""

    async def _serve(self, action: MoveLeader | SaveSnapshot | Defragment) -> Outcome:
        group = self._groups.get(action.group)
        if group is None:
            return Outcome(
                action, Result.FAILED, f"quorum group {action.group} is not known to this controller"
            )
        try:
            match action:
                case MoveLeader():
                    words = await group.move_leader(action.to)
                case SaveSnapshot():
                    words = await group.snapshot(action.rule, self._clock.now())
                case Defragment():
                    words = await group.defragment(action.member)
        except FleetError as error:
            return Outcome(action, Result.FAILED, error.message)
        # The engine goes by what is seen: at once, and not only with the next reading.
        if self._inbox is not None and (told := await self._read(group)) is not None:
            self._inbox.put_nowait(told)
        return Outcome(action, Result.DONE, words)
