"""Decides the next action of an agent, as a pure function of the request, of the agent's last report and of the machine: the
same for the agents of real and of simulated machines.

A token is acted upon at most once. Before an act, `working` is written under its token, with the boot id of that
moment. An agent that finds `working` when it starts was interrupted, and asks of the machine how far it came:

- stage: the release is staged already, or staging starts over;
- reboot and rollback: another boot id means that the machine has rebooted, and the token is done, whatever
  booted (the controller compares releases). The same boot id means that it has not, and it is asked again: that
  is still the one reboot of this token, since a reboot ends the boot for which alone it may be asked.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.machine import NAME_MOST, UNITS_MOST, Ask, Request, Units, Work
from fleet.core.releases.release import Release, distinct_name, is_release

TOKENS_KEPT = 16


class MachineView(Protocol):
    """The state of the machine that its agent observes."""

    @property
    def booted(self) -> Release | None: ...
    @property
    def staged(self) -> Release | None:
        """Returns the release that is written and boots next."""

    @property
    def rollback(self) -> Release | None:
        """Returns the release that can be booted back."""

    @property
    def boot_id(self) -> str: ...
    @property
    def units(self) -> Units | None: ...


class ReportWork(Struct, frozen=True):
    """The agent writes `work` to the status; there is nothing else to do."""

    work: Work


class StartWork(Struct, frozen=True):
    """The agent starts the work, once `work` is written to the status on top of the very object that this was decided on."""

    request: Request
    work: Work


class Idle(StrEnum):
    """Says why there is nothing to do."""

    UNASKED = "nothing is asked"
    ANSWERED = "it was answered"


AgentDecision = ReportWork | StartWork | Idle


def decide_work(request: Request | None, work: Work | None, machine: MachineView) -> AgentDecision:
    """Returns what the agent does next. `work`: the work in the Machine's status. Must not be called while this very process
    works."""
    if request is None:
        return Idle.UNASKED
    if work is None or work.token != request.token:
        return _take_up_request(request, work, machine)
    if work.state != "working":
        return Idle.ANSWERED
    return _resume_interrupted(request, work, machine)


def done(work: Work, message: str = "") -> Work:
    return replace(work, state="done", message=message, percent=100)


def failed(work: Work, message: str) -> Work:
    return replace(work, state="failed", message=message)


def proves_boot(
    request: Request | None, before: Work | None, after: Work | None, machine: MachineView
) -> bool:
    """Returns whether this very report proves that the requested release has booted, so that the boot loader may be
    informed."""
    if request is None or after is None or after == before or request.action is Ask.STAGE:
        return False
    return after.state == "done" and is_release(machine.booted, request.release)


def rolled_back(
    request: Request | None, before: Work | None, after: Work | None, machine: MachineView
) -> bool:
    """Returns whether this very report shows that the machine came back from its reboot with another release than the
    requested one."""
    if request is None or after is None or after == before or request.action is Ask.STAGE:
        return False
    return after.state == "done" and not is_release(machine.booted, request.release)


def bounded(units: Units | None) -> Units | None:
    """Returns the units, shortened to the bounds of the Machine's schema."""
    if units is None:
        return None
    return replace(units, failed=tuple(name[:NAME_MOST] for name in units.failed[:UNITS_MOST]))


def _take_up_request(request: Request, last: Work | None, machine: MachineView) -> AgentDecision:
    earlier = () if last is None else (*last.earlier, last.token)[-TOKENS_KEPT:]
    units = machine.units if request.action is not Ask.STAGE else None
    work = Work(request.token, "working", boot_id=machine.boot_id, earlier=earlier, units=bounded(units))
    if request.token in earlier:
        return ReportWork(
            failed(work, "this token was taken up before another one; it is not acted upon again")
        )
    return _begin_request(request, work, machine)


def _resume_interrupted(request: Request, work: Work, machine: MachineView) -> AgentDecision:
    if request.action is Ask.STAGE:
        return _begin_request(request, work, machine)
    if not work.boot_id:
        return ReportWork(failed(work, "interrupted, and the boot in which it began is not known"))
    if work.boot_id != machine.boot_id:
        return ReportWork(done(work, f"booted {distinct_name(machine.booted, request.release)}"))
    return _begin_request(request, work, machine)


def _begin_request(request: Request, work: Work, machine: MachineView) -> AgentDecision:
    wanted, next_boot, rollback = request.release, machine.staged or machine.booted, machine.rollback
    match request.action:
        case Ask.STAGE if is_release(next_boot, wanted):
            return ReportWork(done(work, "was booted already" if machine.staged is None else ""))
        case Ask.REBOOT if not is_release(next_boot, wanted):
            message = f"{distinct_name(next_boot, wanted)} would boot, not {distinct_name(wanted, next_boot)}"
            return ReportWork(failed(work, message))
        case Ask.ROLLBACK if not (is_release(rollback, wanted) or is_release(machine.staged, wanted)):
            available = "nothing" if rollback is None else distinct_name(rollback, wanted)
            return ReportWork(
                failed(work, f"there is {available} to roll back to, not {distinct_name(wanted, rollback)}")
            )
    return StartWork(request, work)
