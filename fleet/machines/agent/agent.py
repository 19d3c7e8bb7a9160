"""An agent: follows its own Machine, does what `fleet.core.agent` says on its operating system, and reports what it sees."""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.agent import (
    ReportWork,
    StartWork,
    bounded,
    decide_work,
    done,
    failed,
    proves_boot,
    rolled_back,
)
from fleet.core.objects.machine import (
    ARGUMENTS_MOST,
    LAYERED_MOST,
    LOG_MOST,
    MESSAGE_MOST,
    NAME_MOST,
    Ask,
    LogTold,
    Machine,
    Request,
    Work,
)
from fleet.core.records.errors import FleetError
from fleet.core.releases.release import Release
from fleet.machines import redaction
from fleet.machines.agent.boot_log import Log
from fleet.machines.agent.contained import contained
from fleet.machines.agent.own_machine import OwnMachine
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Family, Observation

LOG = logging.getLogger(__name__)


class Pace(Struct, frozen=True):
    """Seconds."""

    progress: float = 2.0
    """Between two reports of a percentage."""
    retry: float = 1.0
    """After the first error; doubled after each further one."""
    retry_most: float = 60.0
    looks: tuple[float, ...] = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 120.0)
    """Between the looks at the units of a machine that has booted: a service may fail late. Then there are no more,
    but every so often (the last of these) while systemd is still starting."""


class Agent:
    """Runs until it is cancelled, as it is when its machine goes down."""

    def __init__(self, own: OwnMachine, family: Family, pace: Pace, log: Log | None = None) -> None:
        """`log`: None where the machine keeps none."""
        self._own = own
        self._log = log
        self._family = family
        self._pace = pace
        self._wake = asyncio.Event()
        self._machine: Machine | None = None
        self._seen: Observation | None = None
        self._requests_seen = 0
        self._act: _Running | None = None
        self._looks = 0
        self._look: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Does not end by itself, whatever the API server or the machine answer: it tries again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            try:
                await self._turns()
            finally:
                if self._look is not None:
                    self._look.cancel()
                await self._drop()

    def look_again(self) -> None:
        """The machine may have changed: observe and report."""
        self._seen = None
        self._wake.set()

    async def _follow(self) -> None:
        """Only this agent writes the status, so what a watch can tell it is another request or another object."""
        async for machine in self._own.watch():
            known = self._machine
            if known is None or _asked(machine) != _asked(known):
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
                LOG.warning("again in %.0f s: %s", delay, error)
                loop.call_later(delay, self._wake.set)
                delay = min(2 * delay, self._pace.retry_most)

    async def _turn(self) -> None:
        machine = self._machine
        if machine is None:
            return
        await self._drop_unless(machine.request)
        if machine.reported:
            # Before the look, which may be what fails on a machine whose log is asked for.
            told = replace(machine, log_told=await self._log_told(machine))
            if told != machine and not await self._write(told):
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
            self._act = _Running(act, self._family, self._pace.progress, self._wake)

    async def _write(self, wanted: Machine) -> bool:
        """False where the Machine has changed meanwhile: it was read again, and all is to be decided anew."""
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
        """What the failed boot has left; that there is none must not keep the rollback from being told."""
        if self._log is None:
            return ""
        try:
            with contained():
                return await self._log.last_boot(known=work.boot_id)
        except FleetError as error:
            return f"(the log of the boot that failed could not be read: {_told(error.message, LOG_MOST)})"[
                :LOG_MOST
            ]

    async def _log_told(self, machine: Machine) -> LogTold | None:
        """The answer to the person who asks for a log, if one does; it is forgotten when nobody does any more."""
        asked = machine.log_ask
        if asked is None or (machine.log_told is not None and machine.log_told.token == asked.token):
            return machine.log_told if asked is not None else None
        if self._log is None:
            return LogTold(asked.token, error="this machine keeps no log that its agent can read")
        try:
            with contained():
                return LogTold(asked.token, await self._log.last_boot(asked.unit, asked.lines))
        except MachineError as error:
            return LogTold(asked.token, error=_told(error.message, LOG_MOST))

    def _look_later(self, seen: Observation) -> None:
        looks = self._pace.looks
        if not looks or self._look is not None or seen.units is None:
            return
        if self._looks < len(looks) or seen.units.starting or not seen.units.told:
            delay = looks[min(self._looks, len(looks) - 1)]
            self._looks += 1
            self._look = asyncio.get_running_loop().call_later(delay, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        self.look_again()

    def _next(self, machine: Machine, seen: Observation) -> tuple[Work | None, StartWork | None]:
        """The word to be in the status, and what to do once it is there."""
        if self._act is not None:
            return self._act.word(), None
        match decide_work(machine.request, machine.work, seen):
            case ReportWork(work):
                return work, None
            case StartWork(work=work) as act:
                return work, act
            case _:
                return machine.work, None

    async def _read_again(self) -> None:
        """The newest Machine; a change that comes in meanwhile may be newer than what was read."""
        while True:
            requests_seen = self._requests_seen
            machine = await self._own.read()
            if requests_seen == self._requests_seen:
                break
        self._machine = machine
        self.look_again()

    def _forget_reported(self, work: Work | None) -> None:
        if self._act is not None and self._act.ended and work == self._act.word():
            self._act = None

    async def _drop_unless(self, request: Request | None) -> None:
        """Ends an act that is not asked for any more, or that broke off and must be decided upon anew."""
        if self._act is None:
            return
        failure = self._act.failure()
        if failure is not None:
            self._act = None
            raise failure
        asked = "" if request is None else request.token
        if asked != self._act.token:
            await self._drop()

    async def _drop(self) -> None:
        if self._act is not None:
            await self._act.cancel()
            self._act = None


class _Running:
    """One act under way, and the agent's word about it."""

    def __init__(self, act: StartWork, family: Family, progress_seconds: float, wake: asyncio.Event) -> None:
        self.token = act.work.token
        self._act = act
        self._family = family
        self._progress_seconds = progress_seconds
        self._wake = wake
        self._percent = act.work.percent
        self._word = act.work
        self._timer: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._do())
        self._task.add_done_callback(lambda _: self._wake.set())

    @property
    def ended(self) -> bool:
        return self._word.state != "working"

    def word(self) -> Work:
        return self._word

    def failure(self) -> BaseException | None:
        """What broke the act off, other than the machine's own no: the API server of a simulated one, or a bug."""
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    async def cancel(self) -> None:
        """Returns when nothing of it runs any more."""
        self._stop_timer()
        self._task.cancel()
        await asyncio.wait({self._task})
        failure = self.failure()
        if failure is not None and not isinstance(failure, FleetError):
            raise failure

    async def _do(self) -> None:
        try:
            with contained():
                await self._carry_out()
        except MachineError as error:
            self._word = failed(self._act.work, error.message)
        finally:
            self._stop_timer()

    async def _carry_out(self) -> None:
        if self._act.request.action is Ask.STAGE:
            await self._family.stage(self._act.request.release, self._progressed, self.token)
            self._word = done(self._act.work)
            return
        # The word stays `working`: it is for the agent of the next boot to say that it is done.
        if self._act.request.action is Ask.ROLLBACK:
            await self._family.roll_back()
        await self._family.reboot()

    def _progressed(self, percent: int) -> None:
        self._percent = percent
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._progress_seconds, self._show_progress)

    def _show_progress(self) -> None:
        self._timer = None
        self._word = replace(self._word, percent=self._percent)
        self._wake.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _asked(machine: Machine) -> tuple[object, ...]:
    return machine.uid, machine.request, machine.log_ask


def described(machine: Machine, seen: Observation, work: Work | None) -> Machine:
    """The Machine with a status of what was seen and this word."""
    return replace(
        machine,
        work=replace(work, message=_told(work.message, MESSAGE_MOST)) if work is not None else None,
        os=seen.os[:NAME_MOST],
        booted=_release(seen.booted),
        staged=_release(seen.staged),
        rollback=_release(seen.rollback),
        boot_id=seen.boot_id,
        kernel=seen.kernel[:NAME_MOST],
        kernel_arguments=_told(seen.kernel_arguments, ARGUMENTS_MOST),
        layered=tuple(name[:NAME_MOST] for name in seen.layered[:LAYERED_MOST]),
        units=bounded(seen.units),
        reported=True,
    )


def identified(seen: Observation) -> Observation:
    """Raises MachineError for a boot id that is none: cut off it could be taken for another boot's."""
    if not 0 < len(seen.boot_id) <= NAME_MOST:
        raise MachineError(f"the machine tells a boot id of {len(seen.boot_id)} characters")
    return seen


def _told(words: str, most: int) -> str:
    """The beginning of what the machine says, without secrets."""
    return redaction.hidden(words[: 2 * most])[:most]


def _release(release: Release | None) -> Release | None:
    """A version or digest that is longer than any is no release's, cut off or not."""
    if release is None:
        return None
    return replace(
        release,
        version=release.version[:NAME_MOST],
        digest=release.digest[:NAME_MOST],
        kernel=release.kernel[:NAME_MOST],
        reference_digest=release.reference_digest[:NAME_MOST],
    )
