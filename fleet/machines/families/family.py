"""The interface of an operating system of any family, and the entry that registers a family."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from fleet.core.objects.machine import EtcChanges, Units
from fleet.core.releases.release import Release
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host
from fleet.machines.progress import ReportPercent


class Observation(Struct, frozen=True):
    """A machine's operating system as it is now."""

    os: str
    """The name of the family: `simulated`, `rpm-ostree`, ..."""
    booted: Release
    boot_id: str
    """The boot id, which differs after each boot: the only proof of a reboot."""
    kernel: str
    staged: Release | None = None
    """The release that is written and boots next."""
    rollback: Release | None = None
    """The release that can be booted back into."""
    kernel_arguments: str = ""
    """The arguments of the booted kernel, on one line; empty where the family does not report them."""
    layered: tuple[str, ...] = ()
    """Packages that a user has layered on top of the booted release."""
    units: Units | None = None
    """The state of systemd's units. None where there is no systemd."""
    etc: EtcChanges | None = None
    """The files in /etc that are not as the booted release brings them. None where the system cannot compare them, or
    has not done so yet."""
    live_patches: tuple[str, ...] = ()
    """Names of the live patches that the kernel runs; empty where the family does not report them."""

    def boots_next(self) -> Release:
        """Returns the release that a reboot would boot."""
        return self.staged or self.booted


class Family(Protocol):
    """An operating system with several deployments on disk, one of which is booted.

    Each method raises MachineError with the system's own message, and no error of a library. Each may be called again
    after it was interrupted: it continues or starts again, and has no effect where its goal is reached.
    """

    async def observe(self) -> Observation:
        """Observes the machine, and changes nothing."""
        ...

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Writes the release beside the booted deployment, so that it boots next. The machine keeps working meanwhile.

        `token` names this intent: a staging that goes on by itself is found again by the token.
        """
        ...

    async def reboot(self) -> None:
        """Begins the reboot and returns, if the machine lets it. The process will be ended with the machine."""
        ...

    async def roll_back(self) -> None:
        """Makes the rollback deployment boot next. Does not reboot."""
        ...

    async def mark_good(self) -> None:
        """Marks the booted deployment as good for the boot loader, where that would otherwise fall back."""
        ...


class OsFamily(Struct, frozen=True):
    """One family of operating systems, as its module registers it (`registry.ALL`). Everything else is derived from
    this entry: the programs and files that detection looks for, the names that `fleet agent --os` accepts, and what an
    agent runs."""

    name: str
    """The name in `fleet agent --os`, `FLEET_OS`, Machine objects and docs/os-support.md."""
    connect: Callable[[Host, str, str], Family]
    """Returns the Family of one machine from its Host, the pool's `source` and the name of its node."""
    recognizes: Callable[[Signs], bool]
    """Returns whether the machine has booted this family. The first family in `registry.ALL` for which this is true is
    the machine's.

    Raises MachineError where this cannot be determined, and another family must not be guessed.
    """
    programs: tuple[str, ...] = ()
    """Programs whose presence detection checks."""
    files: Mapping[str, tuple[str, ...]] = {}
    """Facts that detection checks: a fact holds where one of its paths exists on the machine."""
    probe: Callable[[Host, Signs], Awaitable[Signs]] | None = None
    """Asks the family's own program, if the signs show that the machine has it, and adds its answer to the signs."""
    has_shell: bool = True
    """True if the machine can run shell commands, so that an agent can look for competing updaters there."""
