"""Finds the files in /etc that are not as the booted release brings them, on machines with ostree.

Source: `ostree admin config-diff`, ostree-admin-config-diff(1) and src/ostree/ot-admin-builtin-diff.c: it compares
/etc with /usr/etc of the booted deployment, by type, mode, owner, attributes and content, and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re

from fleet.core.objects.machine import ETC_MOST, EtcChanges
from fleet.machines.errors import MachineError
from fleet.machines.host import Host

LOG = logging.getLogger(__name__)
COMMAND = ("ostree", "admin", "config-diff")
EVERY_SECONDS = 1800.0
"""The fewest seconds between two comparisons in one boot: machines are observed far more often."""
MOST_SECONDS = 30.0
_LINE = re.compile(r"(?P<kind>[MAD])\s+(?P<path>\S.*)")


class LastComparison:
    """The last comparison of one machine's /etc with its release, and when the next is due. Times are seconds of one
    clock."""

    def __init__(self) -> None:
        self._boot_id = ""
        self._due_at = 0.0
        self._changes: EtcChanges | None = None

    def due(self, boot_id: str, now: float) -> bool:
        """Returns whether this boot was not compared yet, or so long ago that it is compared again."""
        return boot_id != self._boot_id or now >= self._due_at

    def keep(self, boot_id: str, now: float, changes: EtcChanges | None) -> None:
        """Keeps the result. None: the comparison has failed, and is due no earlier for that."""
        self._boot_id, self._due_at, self._changes = boot_id, now + EVERY_SECONDS, changes

    def of(self, boot_id: str) -> EtcChanges | None:
        """Returns the result of this boot; None if it was not compared yet, or cannot be."""
        return self._changes if boot_id == self._boot_id else None


class EtcReader:
    """Compares /etc of one machine with its release, once in a while."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._last = LastComparison()

    async def changes(self, boot_id: str) -> EtcChanges | None:
        """Returns the changes as of this boot, at most EVERY_SECONDS old; None if they cannot be known. Raises
        UnreachableError."""
        now = asyncio.get_running_loop().time()
        if self._last.due(boot_id, now):
            self._last.keep(boot_id, now, await self._compare())
        return self._last.of(boot_id)

    async def _compare(self) -> EtcChanges | None:
        """Returns None where the program is missing, fails or takes too long: the rest of an observation matters more."""
        try:
            ran = await self._host.run(COMMAND, MOST_SECONDS)
        except MachineError as error:
            LOG.warning("/etc cannot be compared with the release: %s", error)
            return None
        if not ran.succeeded:
            LOG.warning("/etc cannot be compared with the release: %s", ran.message)
            return None
        return parse(ran.stdout)


def parse(text: str) -> EtcChanges:
    """Returns the changes that `ostree admin config-diff` prints. Lines of another form belong to a path with a line
    feed in it."""
    lines = [line for each in text.splitlines() if (line := _LINE.fullmatch(each)) is not None]
    found = sorted((line["path"], line["kind"]) for line in lines)
    kept = tuple(f"{kind} {path}" for path, kind in found[:ETC_MOST])
    return EtcChanges(kept, len(found) - len(kept))
