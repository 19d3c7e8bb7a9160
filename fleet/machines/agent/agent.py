"""An agent: follows its own Machine, carries out the decisions of `fleet.core.agent` on the operating system, and
reports its observations."""

from __future__ import annotations

import asyncio
import logging
from random import uniform

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.agent import (
    ReportWork,
    StartWork,
    decide_work,
    proves_boot,
    rolled_back,
)
from fleet.core.objects.machine import (
    LOG_MOST,
    LogAnswer,
    Machine,
    Request,
    Work,
)
from fleet.core.records.errors import FleetError
from fleet.machines.agent.boot_log import BootLogReader
from fleet.machines.agent.contained import contained
from fleet.machines.agent.own_machine import OwnMachine
from fleet.machines.agent.running_action import RunningAction
from fleet.machines.agent.status import described, identified, without_secrets
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Family, Observation

LOG = logging.getLogger(__name__)


class AgentIntervals(Struct, frozen=True):
    """Intervals of an agent, in seconds."""

    progress: float = 2.0
    """Seconds between two reports of a percentage."""
    retry: float = 1.0
    """Seconds of the pause after the first error; the pause doubles with each further error."""
    retry_most: float = 60.0
    looks: tuple[float, ...] = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 120.0)
    """Seconds between the observations of a machine that has booted: a unit may fail late. Afterwards the machine is
    observed at the last of these intervals only while systemd is still starting."""
    slow: float | None = 3600.0
    """Seconds between the observations after that: files in /etc may be changed, and units may fail, at any time. None:
    there are none."""


class Agent:
    """The agent of one machine. Its run is cancelled when the machine goes down."""

    def __init__(
        self, own: OwnMachine, family: Family, pace: AgentIntervals, log: BootLogReader | None = None
    ) -> None:
        """Makes an agent. `log` is None where the machine keeps no log."""
        self._own = own
        self._log = log
        self._family = family
        self._pace = pace
        self._wake = asyncio.Event()
        self._machine: Machine | None = None
        self._seen: Observation | None = None
        self._requests_seen = 0
        self._act: RunningAction | None = None
        self._looks = 0
        self._look: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Runs until it is cancelled. After any error of the API server or the machine the agent tries again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            try:
                await self._turns()
            finally:
                if self._look is not None:
                    self._look.cancel()
                await self._drop()

    def look_again(self) -> None:
        """Makes the agent observe and report again: the machine may have changed."""
        self._seen = None
        self._wake.set()

    async def _follow(self) -> None:
        """Watches the Machine. Only this agent writes the status, so a change is always another request or another
        object."""
        async for machine in self._own.watch():
            known = self._machine
            if known is None or _requests(machine) != _requests(known):
                self._machine = machine
                self._requests_seen += 1
                self.look_again()

    async def _turns(self) -> None:
        loop = asyncio.get_running_loop()
        delay = self._pace.retry
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                with contained():
                    await self._turn()
                delay = self._pace.retry
            except FleetError as error:
                LOG.warning("retry in %.0f s: %s", delay, error)
                loop.call_later(delay, self._wake.set)
                delay = min(2 * delay, self._pace.retry_most)

    async def _turn(self) -> None:
        machine = self._machine
        if machine is None:
            return
        await self._drop_unless(machine.request)
        if machine.reported:
            # The log is read before the observation, which may be what fails on the machine whose log is requested.
            answered = replace(machine, log_told=await self._answer_log_request(machine))
            if answered != machine and not await self._write(answered):
                return
            machine = self._machine or machine
        if self._seen is None or (self._act is not None and self._act.ended):
            self._seen = identified(await self._family.observe())
            self._look_later(self._seen)
        work, act = self._next(machine, self._seen)
        if work is not None and rolled_back(machine.request, machine.work, work, self._seen):
            work = replace(work, log=await self._last_log(work))
        wanted = described(machine, self._seen, work)
        if wanted == machine and act is None:
            return
        if proves_boot(machine.request, machine.work, work, self._seen):
            await self._family.mark_good()
        if await self._write(wanted) and act is not None:
            self._act = RunningAction(act, self._family, self._pace.progress, self._wake)

    async def _write(self, wanted: Machine) -> bool:
        """Writes the Machine. Returns False where it has changed meanwhile: it was then read again, and the agent
        decides again."""
        requests_seen = self._requests_seen
        written = await self._own.report(wanted)
        if written is not None:
            self._forget_reported(wanted.work)
        if written is None or requests_seen != self._requests_seen:
            await self._read_again()
            return False
        self._machine = written
        return True

    async def _last_log(self, work: Work) -> str:
        """Returns the log of the boot that failed. A missing log must not keep the rollback from being reported."""
        if self._log is None:
            return ""
        try:
            with contained():
                return await self._log.last_boot(known=work.boot_id)
        except FleetError as error:
            return f"(the log of the boot that failed could not be read: {without_secrets(error.message, LOG_MOST)})"[
                :LOG_MOST
            ]

    async def _answer_log_request(self, machine: Machine) -> LogAnswer | None:
        """Returns the answer to a request for a log; None where there is no such request."""
        ask = machine.log_ask
        if ask is None or (machine.log_told is not None and machine.log_told.token == ask.token):
            return machine.log_told if ask is not None else None
        if self._log is None:
            return LogAnswer(ask.token, error="this machine keeps no log that its agent can read")
        try:
            with contained():
                return LogAnswer(ask.token, await self._log.last_boot(ask.unit, ask.lines))
        except MachineError as error:
            return LogAnswer(ask.token, error=without_secrets(error.message, LOG_MOST))

    def _look_later(self, seen: Observation) -> None:
        looks = self._pace.looks
        if not looks or self._look is not None:
            return
        units = seen.units
        soon = units is not None and (self._looks < len(looks) or units.starting or not units.known)
        if not soon and self._pace.slow is None:
            return
        delay = looks[min(self._looks, len(looks) - 1)] if soon else _spread(self._pace.slow or 0.0)
        self._looks += 1
        self._look = asyncio.get_running_loop().call_later(delay, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        self.look_again()

    def _next(self, machine: Machine, seen: Observation) -> tuple[Work | None, StartWork | None]:
        """Returns the work to report in the status, and what to start once it is reported."""
        if self._act is not None:
            return self._act.work(), None
        match decide_work(machine.request, machine.work, seen):
            case ReportWork(work):
                return work, None
            case StartWork(work=work) as act:
                return work, act
            case _:
                return machine.work, None

    async def _read_again(self) -> None:
        """Reads the newest Machine; if a change arrives meanwhile, the Machine is read again, since the change may be
        newer."""
        while True:
            requests_seen = self._requests_seen
            machine = await self._own.read()
            if requests_seen == self._requests_seen:
                break
        self._machine = machine
        self.look_again()

    def _forget_reported(self, work: Work | None) -> None:
        if self._act is not None and self._act.ended and work == self._act.work():
            self._act = None

    async def _drop_unless(self, request: Request | None) -> None:
        """Cancels an action that is no longer requested. Raises the error of an action that broke off, so that the
        agent decides again."""
        if self._act is None:
            return
        failure = self._act.failure()
        if failure is not None:
            self._act = None
            raise failure
        token = "" if request is None else request.token
        if token != self._act.token:
            await self._drop()

    async def _drop(self) -> None:
        if self._act is not None:
            await self._act.cancel()
            self._act = None


def _spread(seconds: float) -> float:
    """Returns about as many seconds: after a power cut the agents of a whole site begin at the same moment."""
    return seconds * uniform(0.75, 1.25)  # noqa: S311 - not a secret


def _requests(machine: Machine) -> tuple[object, ...]:
    return machine.uid, machine.request, machine.log_ask
