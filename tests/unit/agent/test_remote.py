"""An agent that reaches its machine from elsewhere lives through the machine's reboots."""

from __future__ import annotations

import asyncio

from fleet.core.objects.machine import Ask, Machine
from fleet.core.records.errors import UnreachableError
from fleet.machines.agent.remote import RemoteAgent
from fleet.machines.families.family import Observation
from tests.unit.agent.world import NEW, OLD, QUICK, ApiServer, Box


class FarBox(Box):
    """A machine that cannot be reached while it is down."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False

    async def reboot(self) -> None:
        await super().reboot()
        self.down = True

    async def observe(self) -> Observation:
        if self.down:
            raise UnreachableError("connection refused")
        return await super().observe()


def test_stage_and_reboot_are_proven_by_the_remote_agent() -> None:
    async def story() -> None:
        api, box = ApiServer(Machine("n-1")), FarBox()
        agent = asyncio.create_task(RemoteAgent(api, box, QUICK, look=0.001).run())
        await api.ask(Ask.STAGE, "t1")
        await api.until(lambda machine: _state(machine, "t1") == "done")
        await api.ask(Ask.REBOOT, "t2")
        async with asyncio.timeout(5):
            await box.rebooting.wait()
        await asyncio.sleep(0.02)
        assert _state(api.machine, "t2") == "working"
        box.boot()
        box.down = False
        machine = await api.until(lambda machine: _state(machine, "t2") == "done")
        assert (machine.booted, machine.rollback, machine.boot_id) == (NEW, OLD, "boot-2")
        assert (box.reboots_asked, box.good) == (1, [NEW.version])
        agent.cancel()
        await asyncio.wait({agent})

    asyncio.run(story())


def test_unreachable_machine_is_waited_for() -> None:
    async def story() -> None:
        api, box = ApiServer(Machine("n-1")), FarBox()
        box.down = True
        agent = asyncio.create_task(RemoteAgent(api, box, QUICK, look=0.001).run())
        await asyncio.sleep(0.02)
        assert not api.machine.reported
        box.down = False
        await api.until(lambda machine: machine.reported)
        agent.cancel()
        await asyncio.wait({agent})

    asyncio.run(story())


def _state(machine: Machine, token: str) -> str:
    answer = machine.answer(token)
    return answer.state if answer is not None else ""
