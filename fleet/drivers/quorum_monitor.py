"""Reads the quorum groups of one cluster among its events, and performs the actions on them. Right before a reboot each
group of the node is read again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from fleet.core.guards import quorum
from fleet.core.quorum.quorum import Quorum, fresh
from fleet.core.records.errors import FleetError
from fleet.core.rollout.action import AnyAction, Defragment, MoveLeader, Outcome, Reboot, Result, SaveSnapshot
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Deleted, Upserted
from fleet.drivers.pipeline import EngineInput
from fleet.drivers.quorum_clients import QuorumClient, QuorumClients
from fleet.system.clock import Clock

CHECK_SECONDS = 5.0
"""Pause between two checks which groups are to be read again."""


class QuorumMonitor:
    """An EventFilter and an ActionHandler. `groups` are this object's alone."""

    def __init__(self, cluster: str, groups: QuorumClients, clock: Clock) -> None:
        self._cluster = cluster
        self._groups = groups
        self._clock = clock
        self._engine: EngineInput
        self._last: dict[str, Quorum] = {}
        """The last reading of each group."""
        self._reading = False
        self._changed = asyncio.Event()
        """There are other groups than at the last reading."""

    def attach(self, engine: EngineInput) -> None:
        """Takes the engine's side of the cluster."""
        self._engine = engine

    async def before(self, event: ClusterEvent) -> Sequence[ClusterEvent]:
        """Reads every group before the cluster counts as synced: nothing begins without knowing them."""
        if self._groups.see(event):
            self._changed.set()
        if not isinstance(event, ClusterSynced):
            return ()
        await self._engine.caught_up()
        found = await self._read_some(list(self._groups))
        if not self._reading:
            self._reading = True
            self._engine.start(self._read_on())
        return found

    async def handle(self, action: AnyAction) -> Outcome | None:
        """Performs what is for a group, and refuses a reboot that a group cannot spare the node for."""
        match action:
            case MoveLeader() | SaveSnapshot() | Defragment():
                return await self._serve(action)
            case Reboot() if why := await self._forbidden(action):
                return Outcome(action, Result.STALE, why)
        return None

    async def _read_on(self) -> None:
        while True:
            await self._some_due()
            await self._engine.caught_up()
            for event in await self._read_some(self._due_now()):
                self._engine.put(event)

    async def _some_due(self) -> None:
        """Waits until it is time, or there are other groups."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(CHECK_SECONDS)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _due_now(self) -> list[QuorumClient]:
        """Returns all groups where some are others than before."""
        now = self._clock.now()
        return [group for group in self._groups if self._changed.is_set() or self._is_due(group, now)]

    async def _read_some(self, groups: Sequence[QuorumClient]) -> list[ClusterEvent]:
        """Reads groups side by side: one that does not answer delays no other."""
        self._changed.clear()
        found = await asyncio.gather(*(self._read(group) for group in groups))
        gone = [name for name in self._last if self._groups.get(name) is None]
        lost: list[ClusterEvent] = [Deleted(self._cluster, self._last.pop(name)) for name in gone]
        return [*lost, *(event for event in found if event is not None)]

    def _is_due(self, group: QuorumClient, now: datetime) -> bool:
        last = self._last.get(group.name)
        return last is None or last.read_at is None or (now - last.read_at).total_seconds() >= group.rest

    async def _read(self, group: QuorumClient) -> ClusterEvent | None:
        found = await group.read(self._engine.view, self._clock.now())
        if self._groups.get(group.name) is not group:
            return None
        before = self._last.get(group.name)
        if found is not None:
            self._last[group.name] = found
            return Upserted(self._cluster, found)
        if before is None:
            return None
        del self._last[group.name]
        return Deleted(self._cluster, before)

    async def _forbidden(self, action: Reboot) -> str:
        """Returns why the node must not go down in this very moment; empty: it may."""
        for name, rule in action.quorums.items():
            group = self._groups.get(name)
            if group is None:
                return f"quorum group {name} is not known to this controller"
            found = await group.read(self._engine.view, self._clock.now())
            if found is None or not fresh(found, rule, self._clock.now()):
                return f"quorum group {name} could not be read in time"
            if why := quorum.why_no_reboot(found, rule, action.node):
                return why
        return await self._unexpected(action)

    async def _unexpected(self, action: Reboot) -> str:
        """Returns why a group with a voter there, not known when the reboot was decided, forbids it; empty: none does."""
        for group in self._groups:
            if group.name in action.quorums:
                continue
            found = self._last.get(group.name) or await group.read(self._engine.view, self._clock.now())
            if found is not None and any(member.voter for member in found.on(action.node)):
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
                    message = await group.move_leader(action.to)
                case SaveSnapshot():
                    message = await group.snapshot(action.rule, self._clock.now())
                case Defragment():
                    message = await group.defragment(action.member)
        except FleetError as error:
            return Outcome(action, Result.FAILED, error.message)
        # The engine goes by what is seen: at once, and not only with the next reading.
        if (found := await self._read(group)) is not None:
            self._engine.put(found)
        return Outcome(action, Result.DONE, message)
