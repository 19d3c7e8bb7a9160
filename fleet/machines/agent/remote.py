"""An agent that does not run on its machine but reaches it from elsewhere, and stays while the machine reboots."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fleet.core.records.errors import FleetError
from fleet.machines.agent.agent import Agent, AgentIntervals
from fleet.machines.agent.boot_log import BootLogReader
from fleet.machines.agent.contained import contained
from fleet.machines.agent.own_machine import OwnMachine
from fleet.machines.families.family import Family

LOG = logging.getLogger(__name__)
RETRY_SECONDS = 30.0
"""The most seconds between two attempts at a machine that is not reached."""


class RemoteAgent:
    """Runs one Agent for each boot of the machine: an agent on the machine ends with each boot, and the next boot's
    agent reports the result of the reboot."""

    def __init__(
        self,
        own: OwnMachine,
        family: Family,
        pace: AgentIntervals,
        look: float = 5.0,
        log: BootLogReader | None = None,
        news: asyncio.Event | None = None,
    ) -> None:
        """Makes the agent. `look` is how many seconds pass between two checks whether the machine has booted; `news`
        is set when a check is worthwhile at once."""
        self._own = own
        self._news = news or asyncio.Event()
        self._log = log
        self._family = family
        self._pace = pace
        self._look = look

    async def run(self) -> None:
        """Runs until it is cancelled, and waits for a machine that cannot be reached."""
        while True:
            boot = await self._booted(after="")
            agent = asyncio.create_task(Agent(self._own, self._family, self._pace, self._log).run())
            next_boot = asyncio.create_task(self._booted(after=boot))
            try:
                await asyncio.wait({agent, next_boot}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (agent, next_boot):
                    task.cancel()
                await asyncio.wait({agent, next_boot})
            if not agent.cancelled():
                agent.result()
            if not next_boot.cancelled():
                next_boot.result()

    async def _booted(self, after: str) -> str:
        """Waits until the machine is reached in another boot than `after`, and returns its boot id."""
        logged = ""
        while True:
            rest = self._look
            try:
                with contained():
                    boot = (await self._family.observe()).boot_id
                if boot != after:
                    return boot
                logged = ""
            except FleetError as error:
                if error.message != logged:
                    LOG.warning("the machine cannot be reached: %s", error)
                logged, rest = error.message, min(rest, RETRY_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._news.wait()
            self._news.clear()
