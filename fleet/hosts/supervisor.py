"""Supervises one host: detects when it becomes reachable or unreachable, and runs its agent in the controller, one for
each of its boots."""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct

from fleet.core.records.errors import FleetError
from fleet.hosts import facts, hooks, observation
from fleet.hosts.connections import HostConnection
from fleet.hosts.facts import HostFacts
from fleet.hosts.inventory.inventory import HostEntry
from fleet.hosts.record import HostRecords
from fleet.machines.agent.agent import Agent, AgentIntervals
from fleet.machines.agent.boot_log import JournalctlBootLog
from fleet.machines.agent.contained import contained
from fleet.machines.families.detect import detect
from fleet.machines.families.family import Family
from fleet.machines.families.registry import connect

LOG = logging.getLogger(__name__)


class ProbeIntervals(Struct, frozen=True):
    """Seconds between two observations of a host."""

    idle: float = 15.0
    """Seconds while nothing is in progress on the host."""
    busy: float = 2.0
    observed: int = 40
    """The number of short checks after which the operating system is observed again: a user may have staged a release
    by hand."""


class HostSupervisor:
    def __init__(
        self,
        host: HostEntry,
        way: HostConnection,
        records: HostRecords,
        variables: dict[str, str],
        pace: AgentIntervals,
        looks: ProbeIntervals,
    ) -> None:
        """Makes a supervisor. `variables` has the environment of the host's hooks. `way` is used by this object alone
        from
        now on."""
        self.host = host
        self.way = way
        self.looked = asyncio.Event()
        """Set when it is known whether the host is reachable."""
        self.why = ""
        """Why the host was not reached at the last check; empty: it was reached."""
        self._records = records
        self._variables = variables
        self._pace = pace
        self._boot = ""
        self._family: Family | None = None
        self._agent: Agent | None = None
        self._task: asyncio.Task[None] | None = None
        self._looks = looks
        self._count = 0

    async def run(self) -> None:
        """Runs until it is cancelled, and waits for a host that is not reached. Raises the error that ended an agent,
        which is a bug."""
        try:
            with self._records.waiting(self.host.name) as changed:
                while True:
                    await self._turn()
                    self.looked.set()
                    await self._rest(changed)
        finally:
            await self._stop()
            await self.way.close()

    async def look(self) -> HostFacts:
        """Observes the host now and writes its record. Raises FleetError where the host is not reached."""
        name = self.host.name
        found = await facts.read_facts(self.way)
        unready = await self._unready(found)
        self._records.change(name, lambda record: observation.reached(record, found, unready))
        return found

    async def _turn(self) -> None:
        name = self.host.name
        try:
            with contained(name):
                found = await self.look()
                self.why = ""
                if found.boot_id != self._boot:
                    await self._begin(found.boot_id)
        except FleetError as error:
            why = error.message
            if why != self.why:
                LOG.warning("%s: %s", name, why)
            self.why = why
            self._records.change(name, lambda record: observation.unreachable(record, why))
        self._count += 1
        if self._agent is not None and self._count % self._looks.observed == 0:
            self._agent.look_again()

    async def _begin(self, boot: str) -> None:
        """Starts the agent of a boot. The agent of the earlier boot ends, and the new one reports the result of a
        reboot."""
        await self._stop()
        if self._family is None:
            kind = await detect(self.way)
            self._family = connect(kind, self.way, self.host.source, self.host.name)
        self._agent = Agent(
            self._records.own(self.host.name), self._family, self._pace, JournalctlBootLog(self.way)
        )
        self._task = asyncio.create_task(self._agent.run())
        self._boot = boot

    async def _unready(self, found: HostFacts) -> str:
        if found.unready or self.host.ready is None:
            return found.unready
        return await hooks.ready(self.host.ready, self.way, self._variables)

    async def _rest(self, changed: asyncio.Event) -> None:
        """Waits until the next check, or until the agent has ended."""
        changed.clear()
        busy = observation.busy(self._records.read(self.host.name))
        end = asyncio.get_running_loop().time() + (self._looks.busy if busy else self._looks.idle)
        while (left := end - asyncio.get_running_loop().time()) > 0:
            ways: list[asyncio.Task[object]] = [asyncio.create_task(changed.wait())]
            watched = [*ways, *([self._task] if self._task is not None else [])]
            try:
                await asyncio.wait(watched, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
            if self._task is not None and self._task.done():
                self._task.result()
            if not changed.is_set():
                return
            changed.clear()
            # A request that has just arrived is worth an observation at once.
            if not busy and observation.busy(self._records.read(self.host.name)):
                return

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._task = self._agent = None
        self._boot = ""
