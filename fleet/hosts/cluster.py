"""Hosts without a cluster, with the interface of a cluster for drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import LogAsk, Machine
from fleet.core.objects.node import Node
from fleet.core.records.errors import FleetError, UnreachableError, UsageError
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.event import ClusterEvent
from fleet.hosts import facts, observation, ownership
from fleet.hosts.connections import Connector, HostConnection, over_ssh
from fleet.hosts.executor import HostActionExecutor, hook_variables
from fleet.hosts.inventory.inventory import HostEntry
from fleet.hosts.inventory.source import InventorySource
from fleet.hosts.ownership import Claim
from fleet.hosts.probe import survey
from fleet.hosts.record import HostRecords
from fleet.hosts.supervisor import HostSupervisor
from fleet.hosts.watch import RHYTHM, HostsWatch, Rhythm, none_reached
from fleet.machines.agent.boot_log import JournalctlBootLog
from fleet.machines.agent.contained import contained
from fleet.system.file_lease import FileLease


class HostsReading(Struct, frozen=True):
    snapshot: Snapshot
    unreached: dict[str, str]
    """Hosts that were not reached, and why."""


class HostClaim(Struct, frozen=True):
    """The result of claiming one host."""

    message: str
    claimed: bool = True
    """True if the host belongs to this fleet now."""


class HostsCluster:
    """The cluster of the hosts in the inventory file `path`. `folder` has the records and the lease. Nothing is
    connected before the first call."""

    def __init__(
        self,
        name: str,
        path: Path,
        folder: Path,
        ways: Connector = over_ssh,
        rhythm: Rhythm = RHYTHM,
        own: Claim | None = None,
    ) -> None:
        self.name = name
        self._source = InventorySource(path)
        self._ways = ways
        self._rhythm = rhythm
        self._records = HostRecords(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._lease = FileLease(folder / "lease")
        self._own = own
        self._verbs = HostActionExecutor(self._records, self._current_host, own)
        self._stewards: dict[str, HostSupervisor] = {}
        self._watches: list[HostsWatch] = []

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        """Returns no counts of requests: there is no API server."""
        return {}

    async def events(self) -> AsyncGenerator[ClusterEvent, None]:
        """Yields the events of the hosts, for one reader at a time. The hosts are supervised for as long as the events
        are read."""
        watch = HostsWatch(
            self.name, self._source, self._records, self._stewards, self._ways, self._rhythm, self._own
        )
        self._watches.append(watch)
        keeper = asyncio.create_task(watch.run())
        try:
            while (event := await watch.inbox.get()) is not None:
                yield event
            await keeper
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            self._watches.remove(watch)

    async def perform(self, action: AnyAction) -> Outcome:
        return await self._verbs.perform(action)

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        return self._lease.attempt(identity, seconds, abandoned, place)

    async def see_lease(self) -> LeaseSighting | None:
        return self._lease.see()

    def recall(self, sighting: LeaseSighting) -> None:
        self._lease.recall(sighting)

    async def place(self) -> str:
        return self._lease.place()

    async def resign(self, identity: str) -> None:
        self._lease.resign(identity)

    async def read(self, site: str, at: datetime) -> HostsReading:
        """Reads every host once, in parallel. Raises UnreachableError where none is reached, and ConfigError."""
        inventory = await self._source.now()
        reach = self._ways(inventory)

        async def one(host: HostEntry) -> tuple[Node, Machine, FleetError | None]:
            record = self._records.read(host.name)
            way = reach(host)
            try:
                with contained(host.name):
                    found, why = await survey(record, host, way, hook_variables(self.name, host.name)), None
            except FleetError as error:
                found, why = observation.unreachable(record, error.message), error
            finally:
                await way.close()
            return observation.node_of(found, host, self._own), found.machine, why

        answers = await asyncio.gather(*(one(host) for host in inventory.hosts))
        unreached = {node.name: why for node, _, why in answers if why is not None}
        if len(unreached) == len(answers):
            message = none_reached({name: why.message for name, why in unreached.items()})
            raise UnreachableError(message, next((why.hint for why in unreached.values()), ""))
        nodes, machines = tuple(each[0] for each in answers), tuple(each[1] for each in answers)
        snapshot = Snapshot(self.name, site, at, nodes=nodes, machines=machines)
        return HostsReading(snapshot, {name: why.full_message for name, why in unreached.items()})

    async def claim(self) -> dict[str, HostClaim]:
        """Claims every host for this fleet, whichever fleet has it. Returns the result, or why the claim failed, by
        host. Raises ConfigError."""
        inventory = await self._source.now()
        reach = self._ways(inventory)

        async def one(host: HostEntry) -> HostClaim:
            way = reach(host)
            try:
                with contained(host.name):
                    before = (await facts.read_facts(way)).claim
                if self._own is None or (before is not None and before.fleet == self._own.fleet):
                    return HostClaim("was claimed already")
                await ownership.take(way, self._own, over=True)
                return HostClaim(
                    "claimed" if before is None else f"taken over from {before.by or 'another fleet'}"
                )
            except FleetError as error:
                return HostClaim(f"not claimed: {error.message}", claimed=False)
            finally:
                await way.close()

        answers = await asyncio.gather(*(one(host) for host in inventory.hosts))
        return {host.name: answer for host, answer in zip(inventory.hosts, answers, strict=True)}

    async def log(self, name: str, ask: LogAsk) -> str:
        """Returns the log as BootLogReader does. Raises UnreachableError, MachineError, and UsageError for a host that
        is not in the file."""
        inventory = await self._source.now()
        host = next((each for each in inventory.hosts if each.name == name), None)
        if host is None:
            raise UsageError(f"{name} is not in the inventory any more")
        way = self._ways(inventory)(host)
        try:
            with contained(name):
                return await JournalctlBootLog(way).last_boot(ask.unit, ask.lines)
        finally:
            await way.close()

    async def close(self) -> None:
        for watch in self._watches:
            watch.close()

    async def _current_host(self, name: str) -> tuple[HostEntry, HostConnection] | None:
        """Returns the host according to the file as it is now, so that the user's latest edits count."""
        host = next((each for each in (await self._source.now()).hosts if each.name == name), None)
        if host is None:
            return None
        steward = self._stewards.get(name)
        if steward is None:
            raise UnreachableError(f"{name} has not been observed yet")
        return host, steward.way
