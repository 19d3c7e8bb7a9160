"""What fleet needs of an operating system, whatever its family, and what a family registers of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from fleet.core.objects.machine import Units
from fleet.core.releases.release import Release
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host
from fleet.machines.progress import ReportPercent


class Observation(Struct, frozen=True):
    """A machine's operating system as it is now."""

    os: str
    """The family: `simulated`, `rpm-ostree`, ..."""
    booted: Release
    boot_id: str
    """Another one after each boot: the only proof of a reboot."""
    kernel: str
    staged: Release | None = None
    """Is written and boots next."""
    rollback: Release | None = None
    """Can be booted back."""
    kernel_arguments: str = ""
    """As the booted kernel was started, in one line; empty where the family does not tell."""
    layered: tuple[str, ...] = ()
    """Packages that somebody put on top of the booted release."""
    units: Units | None = None
    """None where there is no systemd to be asked."""

    def boots_next(self) -> Release:
        """What a reboot would boot."""
        return self.staged or self.booted


class Family(Protocol):
    """An operating system of which several deployments are on disk, and one is booted.

    Each method raises MachineError with the system's own words, and nothing of the library beneath. Each may be
    called again after it was interrupted: it goes on or starts over, and has no effect where its end is reached.
    """

    async def observe(self) -> Observation:
        """Looks at the machine; changes nothing."""
        ...

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Writes the release beside the booted deployment, so that it boots next. The machine works meanwhile.

        `token` names this intent: a staging that goes on by itself is found again under it.
        """
        ...

    async def reboot(self) -> None:
        """Begins the reboot and returns, if the machine lets it. The process will be ended with the machine."""
        ...

    async def roll_back(self) -> None:
        """Makes the rollback deployment the one that boots next. Does not reboot."""
        ...

    async def mark_good(self) -> None:
        """Tells the boot loader that the booted deployment works, where it would fall back without that word."""
        ...


class OsFamily(Struct, frozen=True):
    """One family of operating systems, as its module registers it (`registry.ALL`). Everything else is derived from this:
    which programs and files detection looks for, the names that `fleet agent --os` takes, and what an agent runs."""

    name: str
    """As `fleet agent --os`, `FLEET_OS`, Machine objects and docs/os-support.md spell it."""
    connect: Callable[[Host, str, str], Family]
    """Makes the Family of one machine from its Host, the pool's `source` and the name of its node."""
    recognizes: Callable[[Signs], bool]
    """Says whether the machine has booted this family. The first in `registry.ALL` that does has the machine.

    Raises MachineError where that cannot be told, and another family must not be guessed."""
    programs: tuple[str, ...] = ()
    """Programs that detection looks for."""
    files: Mapping[str, tuple[str, ...]] = {}
    """Facts that detection looks for: the fact holds where one of its paths exists on the machine."""
    probe: Callable[[Host, Signs], Awaitable[Signs]] | None = None
    """Asks the family's own program, where the signs say that it is there, and adds what it answers."""
    has_shell: bool = True
    """The machine runs commands of a shell, so an agent can look for competing updaters there."""
