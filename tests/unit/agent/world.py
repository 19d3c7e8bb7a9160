"""A machine and an API server that hold state, for an agent to run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec.structs import replace

from fleet.core.objects.machine import Ask, EtcChanges, Machine, Request, Units
from fleet.core.records.errors import UnreachableError
from fleet.core.releases.release import Release
from fleet.machines.agent.agent import Agent, AgentIntervals
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation
from fleet.machines.progress import ReportPercent

OLD = Release("1.0", "sha256:01", "6.1")
NEW = Release("2.0", "sha256:02", "6.2")
QUICK = AgentIntervals(progress=0.0, retry=0.001, retry_most=0.01, looks=(0.001, 0.002))


class ApiServer:
    """One Machine, with resource versions; can be cut off, and can lose the answer of a write that it took."""

    def __init__(self, machine: Machine) -> None:
        self.machine = replace(machine, uid="u1", resource_version="1")
        self.written: list[Machine] = []
        self.cut_off = False
        self.lose_answers = 0
        self.taken_back_before_write = False
        self._changed = asyncio.Condition()

    async def ask(self, action: Ask, token: str, release: Release = NEW) -> None:
        await self.put(replace(self.machine, request=Request(action, token, release)))

    async def clear(self) -> None:
        await self.put(replace(self.machine, request=None))

    async def put(self, machine: Machine) -> None:
        async with self._changed:
            version = str(int(self.machine.resource_version) + 1)
            self.machine = replace(machine, resource_version=version)
            self._changed.notify_all()

    async def until(self, condition: Callable[[Machine], bool], seconds: float = 5) -> Machine:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: condition(self.machine))
            return self.machine

    async def watch(self) -> AsyncIterator[Machine]:
        versions: list[str] = [""]
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_new(versions[-1]))
                machine = self.machine
            versions.append(machine.resource_version)
            yield machine

    async def read(self) -> Machine:
        self._reach()
        return self.machine

    async def report(self, machine: Machine) -> Machine | None:
        self._reach()
        if self.taken_back_before_write:
            self.taken_back_before_write = False
            await self.clear()
        if machine.resource_version != self.machine.resource_version:
            return None
        self.written.append(machine)
        if replace(machine, resource_version="") != replace(self.machine, resource_version=""):
            await self.put(machine)
        if self.lose_answers:
            self.lose_answers -= 1
            raise UnreachableError("the connection was reset")
        return self.machine

    def _is_new(self, version: str) -> bool:
        return self.machine.resource_version != version and not self.cut_off

    def _reach(self) -> None:
        if self.cut_off:
            raise UnreachableError("connection refused")


class Box:
    """A machine: its deployments and its boots outlive its agents."""

    def __init__(self) -> None:
        self.booted = OLD
        self.staged: Release | None = None
        self.rollback: Release | None = None
        self.boots = 1
        self.stagings = 0
        self.good: list[str] = []
        self.log_error = ""
        self.look_error = ""
        self.fault: Exception | None = None
        """Of fleet itself, over what the machine answers: any look or stage raises it."""
        self.kernel_arguments = ""
        self.layered: tuple[str, ...] = ()
        self.units: Units | None = None
        self.etc: EtcChanges | None = None
        self.units_after_boot: Units | None = None
        self.reboots_asked = 0
        self.stage_goes_on = asyncio.Event()
        self.stage_goes_on.set()
        self.stage_error = ""
        self.reboot_error = ""
        self.staging = asyncio.Event()
        self.rebooting = asyncio.Event()

    def boot(self) -> None:
        """What happens when the machine is reset, by whomever."""
        self.boots += 1
        self.units = self.units_after_boot or self.units
        if self.staged is not None:
            self.booted, self.rollback, self.staged = self.staged, self.booted, None
        self.rebooting.clear()

    async def last_boot(self, unit: str = "", lines: int = 100, known: str = "") -> str:
        if self.log_error:
            raise MachineError(self.log_error)
        return f"the boot after {known} failed\n" if known else f"{lines} lines of {unit or 'all'}\n"

    async def mark_good(self) -> None:
        self.good.append(self.booted.version)

    async def observe(self) -> Observation:
        if self.fault is not None:
            raise self.fault
        if self.look_error:
            raise MachineError(self.look_error)
        boot_id = f"boot-{self.boots}"
        return Observation(
            "box",
            self.booted,
            boot_id,
            self.booted.kernel,
            self.staged,
            self.rollback,
            self.kernel_arguments,
            self.layered,
            self.units,
            self.etc,
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        self.stagings += 1
        self.staging.set()
        progress(40)
        await self.stage_goes_on.wait()
        if self.fault is not None:
            raise self.fault
        if self.stage_error:
            raise MachineError(self.stage_error)
        self.staged = release

    async def roll_back(self) -> None:
        self.staged = self.rollback

    async def reboot(self) -> None:
        if self.reboot_error:
            raise MachineError(self.reboot_error)
        self.reboots_asked += 1
        self.rebooting.set()


class World:
    def __init__(self) -> None:
        self.api = ApiServer(Machine("n-1"))
        self.box = Box()
        self.agent: asyncio.Task[None] | None = None
        self.pace = QUICK

    def start(self) -> None:
        self.agent = asyncio.create_task(Agent(self.api, self.box, self.pace, self.box).run())

    async def kill(self) -> None:
        assert self.agent is not None
        self.agent.cancel()
        await asyncio.wait({self.agent})
        self.agent = None

    async def reboot_happens(self) -> None:
        """The machine carries out the requested reboot, and its agent starts anew."""
        async with asyncio.timeout(5):
            await self.box.rebooting.wait()
        await self.kill()
        self.box.boot()
        self.start()

    async def settled(self) -> None:
        """Everything that can run without time passing has run."""
        for _ in range(50):
            await asyncio.sleep(0)


def story(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World()
        try:
            await scenario(world)
        finally:
            if world.agent is not None:
                failed = world.agent.done()
                await world.kill() if not failed else await world.agent

    asyncio.run(run())
