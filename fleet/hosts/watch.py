"""Watches the hosts of an inventory file: one supervisor a host, and an event for each change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.errors import FleetError
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.hosts import observation
from fleet.hosts.connections import ConnectHost, Connector
from fleet.hosts.executor import hook_variables
from fleet.hosts.inventory.inventory import HostEntry, HostInventory
from fleet.hosts.inventory.source import InventorySource
from fleet.hosts.ownership import Claim
from fleet.hosts.record import HostRecords
from fleet.hosts.supervisor import HostSupervisor, ProbeIntervals
from fleet.machines.agent.agent import AgentIntervals

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


class HostsWatch:
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
        """Follows the inventory file and its hosts until cancelled; then stops all supervisors and closes the inbox.

        Raises what ended a supervisor.
        """
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
        why = f"its first observation has made no progress for {patience:.0f} s"
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
            name: each.why
            for name, each in self._stewards.items()
            if not observation.busy(self._records.read(name)) or not each.why
        }
        return none_reached(there) if len(there) > 1 and all(there.values()) else ""

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
    return all(getattr(before, each) == getattr(now, each) for each in ways)


def none_reached(unreached: Mapping[str, str]) -> str:
    """Returns that no host is reached, with the reason of the first one."""
    if not unreached:
        return "the inventory has no hosts"
    return f"none of {len(unreached)} hosts can be reached: {next(iter(unreached.values()))}"
