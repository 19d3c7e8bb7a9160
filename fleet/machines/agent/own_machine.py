"""The interface by which an agent reads and writes its own Machine, wherever it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from fleet.core.objects.machine import Machine


class OwnMachine(Protocol):
    """The Machine of one agent. Only `FleetError`s are raised, and no error of a library."""

    def watch(self) -> AsyncIterator[Machine]:
        """Yields the current Machine, then the Machine after each change. Versions may be skipped or come late; the
        newest comes last. Continues after a lost connection, and creates the Machine if there is none. Does not
        end."""
        ...

    async def read(self) -> Machine:
        """Returns the stored Machine, which is created first where there is none."""
        ...

    async def report(self, machine: Machine) -> Machine | None:
        """Writes the status and returns the stored Machine, if it still has this resource version. Returns None if its
        version has changed, or if it does not exist: the agent must then read it again and decide again."""
        ...
