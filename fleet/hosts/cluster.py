"""Hosts without a cluster, with the interface of a cluster for drivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import LogAsk, Machine
from fleet.core.objects.node import Node
from fleet.core.records.errors import FleetError, UnreachableError, UsageError
from fleet.core.records.leadership import Leadership
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.hosts import facts, observation, ownership
from fleet.hosts.connections import ConnectHost, Connector, HostConnection, over_ssh
from fleet.hosts.executor import HostActionExecutor, hook_variables
from fleet.hosts.inventory.inventory import HostEntry, HostInventory
from fleet.hosts.inventory.source import InventorySource
from fleet.hosts.ownership import Claim
from fleet.hosts.probe import survey
from fleet.hosts.record import HostRecords
from fleet.hosts.supervisor import HostSupervisor, ProbeIntervals
from fleet.machines.agent.agent import AgentIntervals
from fleet.machines.agent.boot_log import JournalctlBootLog
from fleet.machines.agent.contained import contained
from fleet.model.file_lease import FileLease

LOG = logging.getLogger(__name__)
FILE_LOOK = 2.0
"""Seconds between two checks of the inventory file."""
PATIENCE = 45.0
"""Seconds for which nothing begins while hosts are observed for the first time and no further one is reached. After
that the remaining hosts count as unreachable until they are reached. A host that does not answer at all is known after
half of this time (`ConnectTimeout`)."""


class Rhythm(Struct, frozen=True):
    agents: AgentIntervals = AgentIntervals()
    looks: ProbeIntervals = ProbeIntervals()
    patience: float = PATIENCE


RHYTHM = Rhythm()


class HostsReading(Struct, frozen=True):
    snapshot: Snapshot
    unreached: dict[str, str]
    """Hosts that were not reached, and why."""


class HostClaim(Struct, frozen=True):
    """The result of claiming one host."""

    message: str
    claimed: bool = True
    """Whether the host belongs to this fleet now."""


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
        self._watches: list[_Watch] = []

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        """Returns no counts of requests: there is no API server."""
        return {}

    async def events(self) -> AsyncGenerator[ClusterEvent, None]:
        """Yields the events of the hosts, for one reader at a time. The hosts are supervised for as long as the events
        are read."""
        watch = _Watch(
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
            unknown = _unreachable_message({name: why.message for name, why in unreached.items()})
            raise UnreachableError(unknown, next((why.hint for why in unreached.values()), ""))
        nodes, machines = tuple(answer[0] for answer in answers), tuple(answer[1] for answer in answers)
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
        host = next((host for host in inventory.hosts if host.name == name), None)
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
        host = next((host for host in (await self._source.now()).hosts if host.name == name), None)
        if host is None:
            return None
        steward = self._stewards.get(name)
        if steward is None:
            raise UnreachableError(f"{name} has not been looked at yet")
        return host, steward.way


class _Watch:
    """The supervisors of all hosts, for as long as the events are read."""

    def __init__(
        self,
        name: str,
        source: InventorySource,
        records: HostRecords,
        stewards: dict[str, HostSupervisor],
        ways: Connector,
        rhythm: Rhythm,
        own: Claim | None,
    ) -> None:
        self._own = own
        self.inbox: asyncio.Queue[ClusterEvent | None] = asyncio.Queue()
        self._name = name
        self._records = records
        self._stewards = stewards
        self._source = source
        self._ways = ways
        self._rhythm = rhythm
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._inventory = HostInventory()
        self._reach: ConnectHost | None = None
        self._published: dict[str, tuple[Node, Machine]] = {}
        self._dirty: set[str] = set()
        self._first: dict[str, asyncio.Task[object]] = {}
        """Hosts that have not been observed yet, and the tasks that wait for their first observation."""
        self._heard_at = 0.0
        """When the last of these observations began or ended, by the event loop's clock."""
        self._news = asyncio.Event()
        self._reported: ClusterLost | ClusterSynced | None = None
        records.changed = self._changed

    async def run(self) -> None:
        try:
            while True:
                why = await self._follow()
                self._give_up_on_first_looks()
                self._publish_changes()
                if why or not self._first:
                    self._report_reachability(why or self._cut_off())
                with suppress(TimeoutError):
                    async with asyncio.timeout(FILE_LOOK):
                        await self._news.wait()
                self._news.clear()
                for task in self._tasks.values():
                    if task.done():
                        task.result()
        finally:
            self._records.changed = lambda _: None
            for waiting in self._first.values():
                waiting.cancel()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._first.values(), return_exceptions=True)
            self._stewards.clear()
            self.close()

    def close(self) -> None:
        self.inbox.put_nowait(None)

    def _changed(self, name: str) -> None:
        self._dirty.add(name)
        self._news.set()

    async def _follow(self) -> str:
        """Supervises the hosts that the file names now. Returns why the file cannot be read; empty where it can."""
        try:
            inventory = await self._source.now()
        except FleetError as error:
            return error.message
        if inventory == self._inventory:
            return ""
        if self._reach is None or replace(inventory, hosts=()) != replace(self._inventory, hosts=()):
            self._reach = self._ways(inventory)
        before = {host.name: host for host in self._inventory.hosts}
        now = {host.name: host for host in inventory.hosts}
        self._inventory = inventory
        for name in [name for name, host in before.items() if not _same_way(host, now.get(name))]:
            await self._leave(name, gone=name not in now)
        for name, host in now.items():
            if name in self._stewards:
                self._stewards[name].host = host
            else:
                steward = HostSupervisor(
                    host,
                    self._reach(host),
                    self._records,
                    hook_variables(self._name, name),
                    self._rhythm.agents,
                    self._rhythm.looks,
                )
                self._stewards[name] = steward
                self._tasks[name] = asyncio.create_task(steward.run())
                self._await_first_look(name, steward)
            self._dirty.add(name)
        return ""

    def _await_first_look(self, name: str, steward: HostSupervisor) -> None:
        clock = asyncio.get_running_loop().time

        def looked(task: asyncio.Task[object]) -> None:
            if self._first.get(name) is task:
                del self._first[name]
                self._heard_at = clock()
                self._news.set()

        self._heard_at = clock()
        waiting: asyncio.Task[object] = asyncio.create_task(steward.looked.wait())
        self._first[name] = waiting
        waiting.add_done_callback(looked)

    def _give_up_on_first_looks(self) -> None:
        """Stops waiting for slow first observations. A slow host delays the others for as long as further hosts are
        being reached, and for the time of `patience` after that."""
        patience = self._rhythm.patience
        if not self._first or asyncio.get_running_loop().time() - self._heard_at < patience:
            return
        why = f"the first look at it is not over: nothing has come of it for {patience:.0f} s"
        for name in list(self._first):
            LOG.warning("%s: %s", name, why)
            self._stewards[name].why = why
            self._records.change(name, lambda record: observation.unreachable(record, why))
            self._first.pop(name).cancel()

    async def _leave(self, name: str, gone: bool) -> None:
        if (waiting := self._first.pop(name, None)) is not None:
            waiting.cancel()
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        del self._stewards[name]
        if gone and (change := self._published.pop(name, None)) is not None:
            for thing in change:
                self.inbox.put_nowait(Deleted(self._name, thing))

    def _publish_changes(self) -> None:
        hosts = {host.name: host for host in self._inventory.hosts}
        for name in [name for name in self._dirty if name in hosts and name not in self._first]:
            record = self._records.read(name)
            now = (observation.node_of(record, hosts[name], self._own), record.machine)
            before = self._published.get(name)
            self._published[name] = now
            if before is None or before[0] != now[0]:
                self.inbox.put_nowait(Upserted(self._name, now[0]))
            if before is None or before[1] != now[1]:
                self.inbox.put_nowait(Upserted(self._name, now[1]))
        self._dirty &= self._first.keys()

    def _cut_off(self) -> str:
        """Returns why the controller itself seems to be cut off: none of several hosts that should be up is reached.
        Empty otherwise."""
        there = {
            name: steward.why
            for name, steward in self._stewards.items()
            if not observation.busy(self._records.read(name)) or not steward.why
        }
        return _unreachable_message(there) if len(there) > 1 and all(there.values()) else ""

    def _report_reachability(self, why: str) -> None:
        event: ClusterLost | ClusterSynced = (
            ClusterLost(self._name, why) if why else ClusterSynced(self._name)
        )
        if event != self._reported:
            self._reported = event
            self.inbox.put_nowait(event)


def _same_way(before: HostEntry, now: HostEntry | None) -> bool:
    """Returns whether the host is reached and observed in the same way as before."""
    if now is None:
        return False
    ways = ("address", "user", "port", "identity", "source")
    return all(getattr(before, way) == getattr(now, way) for way in ways)


def _unreachable_message(unreached: Mapping[str, str]) -> str:
    if not unreached:
        return "the inventory has no hosts"
    return f"none of {len(unreached)} hosts is reached: {next(iter(unreached.values()))}"
