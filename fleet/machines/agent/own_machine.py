"""What an agent needs of whoever keeps its own Machine; nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from fleet.core.objects.machine import Machine


class OwnMachine(Protocol):
    """The Machine of one agent. Nothing of the library behind it is raised: only `FleetError`s."""

    def watch(self) -> AsyncIterator[Machine]:
        """Yields the Machine as it is, then after each change; versions may be skipped or come late, the newest comes at
        last. Goes on by itself after a lost connection, and makes the Machine if there is none. Does not end."""
        ...

    async def read(self) -> Machine:
        """Returns the Machine as it is kept now, and creates it first where there is none."""
        ...

    async def report(self, machine: Machine) -> Machine | None:
        """Writes the status and returns the Machine after that, if it still has this resource version. None if it has
        another by now, or is not there: read it again and decide anew."""
        ...
