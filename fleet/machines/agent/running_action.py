"""One action of an agent in progress on its machine, and the agent's report of it."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from fleet.core.agent import StartWork, done, failed
from fleet.core.objects.machine import Ask, Work
from fleet.core.records.errors import FleetError
from fleet.machines.agent.contained import contained
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Family


class RunningAction:
    """One action in progress, and the agent's report of it."""

    def __init__(self, act: StartWork, family: Family, progress_seconds: float, wake: asyncio.Event) -> None:
        self.token = act.work.token
        self._act = act
        self._family = family
        self._progress_seconds = progress_seconds
        self._wake = wake
        self._percent = act.work.percent
        self._work = act.work
        self._timer: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._do())
        self._task.add_done_callback(lambda _: self._wake.set())

    @property
    def ended(self) -> bool:
        return self._work.state != "working"

    def work(self) -> Work:
        return self._work

    def failure(self) -> BaseException | None:
        """Returns the error that ended the action, unless the machine itself refused: an API server that failed, or a
        bug."""
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    async def cancel(self) -> None:
        """Cancels the action and returns when nothing of it runs any more. Raises an unexpected error of the
        action."""
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
            self._work = failed(self._act.work, error.message)
        finally:
            self._stop_timer()

    async def _carry_out(self) -> None:
        if self._act.request.action is Ask.STAGE:
            await self._family.stage(self._act.request.release, self._progressed, self.token)
            self._work = done(self._act.work)
            return
        # The reported work stays `working`: the agent of the next boot reports it as done.
        if self._act.request.action is Ask.ROLLBACK:
            await self._family.roll_back()
        await self._family.reboot()

    def _progressed(self, percent: int) -> None:
        self._percent = percent
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._progress_seconds, self._show_progress)

    def _show_progress(self) -> None:
        self._timer = None
        self._work = replace(self._work, percent=self._percent)
        self._wake.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
