"""Other programs that upgrade or reboot a machine by themselves: fleet detects and reports them and never fights them.

Distributions' own updaters are units of systemd, kured and Flatcar's update operator come as pods whose processes the
machine sees, and a person's `shutdown -r 02:00` is a file. Which there are, and what of their settings is looked at,
stands in `playbooks/files/others.sh` alone: the playbooks run the same file.
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
    """One of them, at work on the machine."""

    kind: str
    """`unit`, `pod`, or `scheduled` for a reboot at a set time."""
    message: str
    """What it does and what turns it off, without a full stop."""


@cache
def script() -> str:
    return files("fleet.machines").joinpath("playbooks", "files", "others.sh").read_text(encoding="utf-8")


def parse(text: str) -> tuple[CompetingUpdater, ...]:
    """Reads what the script prints. Raises MachineError where its answer is not whole, or has a line of another form."""
    *lines, last = text.splitlines() or [""]
    found = [CompetingUpdater(*line.partition("\t")[::2]) for line in lines]
    odd = [each for each in found if each.kind not in KINDS or not each.message]
    if last != "end" or odd:
        raise MachineError(f"the look for other updaters broke off: {text[-300:]!r}")
    return tuple(found)


async def find_competing_updaters(host: Host) -> tuple[CompetingUpdater, ...]:
    """Returns the updaters at work on the machine. Raises MachineError where that cannot be told: unknown is not absent."""
    ran = await host.run(("sh", "-c", script(), "others.sh"))
    if not ran.succeeded:
        raise MachineError(f"who else upgrades or reboots this machine cannot be told: {ran.printed}")
    return parse(ran.stdout)


async def refuse_competing_updaters(host: Host) -> None:
    """Raises MachineError where one is at work: it might reboot the machine when fleet would not."""
    _refuse(await find_competing_updaters(host))


async def refuse_scheduled(host: Host) -> None:
    """Raises MachineError where somebody has a reboot scheduled: it is theirs, and goes with any other reboot."""
    _refuse(each for each in await find_competing_updaters(host) if each.kind == SCHEDULED)


def _refuse(found: Iterable[CompetingUpdater]) -> None:
    words = "; ".join(each.message for each in found)
    if words:
        raise MachineError(f"fleet leaves this machine alone: {words}")
