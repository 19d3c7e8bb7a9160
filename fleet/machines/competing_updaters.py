"""Other programs that upgrade or reboot a machine by themselves: fleet detects and reports them and never works
against them.

Updaters of distributions are systemd units, kured and Flatcar's update operator are pods whose processes the machine
sees, and a user's `shutdown -r 02:00` is a file. `playbooks/files/others.sh` alone defines which programs are detected
and which of their settings are read: the playbooks run the same file.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from msgspec import Struct

from fleet.machines.errors import MachineError
from fleet.machines.host import Host

SCHEDULED = "scheduled"
KINDS = frozenset({"unit", "pod", SCHEDULED})


class CompetingUpdater(Struct, frozen=True):
    """A competing updater that is at work on the machine."""

    kind: str
    """One of `unit`, `pod`, or `scheduled` for a reboot at a set time."""
    message: str
    """The updater's effect and the way to turn it off, as a sentence without a full stop."""


@cache
def script() -> str:
    return files("fleet.machines").joinpath("playbooks", "files", "others.sh").read_text(encoding="utf-8")


def parse(text: str) -> tuple[CompetingUpdater, ...]:
    """Reads the output of the script. Raises MachineError where the output is incomplete, or has a line of another
    form."""
    *lines, last = text.splitlines() or [""]
    found = [CompetingUpdater(*line.partition("\t")[::2]) for line in lines]
    odd = [updater for updater in found if updater.kind not in KINDS or not updater.message]
    if last != "end" or odd:
        raise MachineError(f"the search for other updaters was interrupted: {text[-300:]!r}")
    return tuple(found)


async def find_competing_updaters(host: Host) -> tuple[CompetingUpdater, ...]:
    """Returns the updaters at work on the machine. Raises MachineError where that cannot be determined: unknown is not
    absent."""
    ran = await host.run(("sh", "-c", script(), "others.sh"))
    if not ran.succeeded:
        raise MachineError(
            f"it cannot be determined what else upgrades or reboots this machine: {ran.printed}"
        )
    return parse(ran.stdout)


async def refuse_competing_updaters(host: Host) -> None:
    """Raises MachineError where an updater is at work: it might reboot the machine when fleet would not."""
    _refuse(await find_competing_updaters(host))


async def refuse_scheduled(host: Host) -> None:
    """Raises MachineError where another party has scheduled a reboot: any other reboot would cancel it."""
    _refuse(updater for updater in await find_competing_updaters(host) if updater.kind == SCHEDULED)


def _refuse(found: Iterable[CompetingUpdater]) -> None:
    messages = "; ".join(updater.message for updater in found)
    if messages:
        raise MachineError(f"fleet leaves this machine alone: {messages}")
