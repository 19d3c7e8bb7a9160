"""The simulated machine of a fake node: it comes up after a reboot, and its agent starts and ends with each boot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from fleet.core.records.errors import FleetError
from fleet.lab.fake_nodes import node as fake
from fleet.lab.fake_nodes.machine import FakeMachine, MachineDurations, NodeObject
from fleet.lab.fake_nodes.node import DISK, FAILED_UNITS, FakeNode
from fleet.machines.agent.agent import Agent, AgentIntervals
from fleet.machines.agent.own_machine import OwnMachine

LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class FakeHost:
    """The machine of one fake node. All of its state that must outlive this process is on the Node object, so the
    process may end at any moment."""

    def __init__(
        self,
        own: OwnMachine,
        node: NodeObject,
        settings: MachineDurations,
        pace: AgentIntervals,
        now: Callable[[], datetime],
    ) -> None:
        self._own = own
        self._pace = pace
        self._machine = FakeMachine(node, settings, now)
        self._wake = asyncio.Event()
        self._newest: FakeNode | None = None
        self._agent: _Life | None = None

    def node_changed(self, node: FakeNode) -> None:
        """Receives the newest state of the host's Node."""
        self._newest = node
        self._wake.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._turn_or_retry()
        finally:
            await self._end_agent()

    async def _turn_or_retry(self) -> None:
        try:
            if self._newest is not None:
                await self._turn(self._newest)
        except FleetError as error:
            LOG.warning("simulated machine: %s", error)
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._wake.set)

    async def _turn(self, node: FakeNode) -> None:
        if node.boot is not None:
            await self._end_agent()
            await self._machine.come_up()
            return
        if fake.ready_again(node) is not None:
            await self._machine.become_ready()
        if self._agent is not None and self._agent.boot_id != node.status.node_info.boot_id:
            await self._end_agent()
        if self._agent is None:
            self._agent = _Life(node, Agent(self._own, self._machine, self._pace, self._machine), self._wake)
        self._agent.node_changed(node)

    async def _end_agent(self) -> None:
        if self._agent is not None:
            await self._agent.end()
            self._agent = None


class _Life:
    """The run of one agent, from one boot to the next."""

    def __init__(self, node: FakeNode, agent: Agent, ended: asyncio.Event) -> None:
        self.boot_id = node.status.node_info.boot_id
        self._agent = agent
        self._seen = _own_part(node)
        self._task = asyncio.create_task(agent.run())
        self._task.add_done_callback(lambda _: ended.set())

    def node_changed(self, node: FakeNode) -> None:
        """Makes the agent observe again where its machine has changed. Raises the error that ended the agent: a bug."""
        if self._task.done():
            self._task.result()
        seen = _own_part(node)
        if seen != self._seen:
            self._seen = seen
            self._agent.look_again()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


def _own_part(node: FakeNode) -> tuple[str | None, ...]:
    """Returns the parts of its machine that an agent observes, except boots."""
    return node.annotations.get(DISK), node.annotations.get(FAILED_UNITS)
