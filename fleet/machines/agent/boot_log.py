"""Reads the log of a machine's previous boot from its journal, which is requested after a rollback.

Source: journalctl(1). The log is bounded, and without the secrets that `redaction.redact` recognizes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from fleet.core.objects.machine import LOG_MOST
from fleet.machines import redaction
from fleet.machines.errors import MachineError
from fleet.machines.host import Host, checked

LINES = 100
LOOKED_AT = 16 * LOG_MOST
"""The most characters of a log that are read and redacted: more than are returned, so that a secret that is cut at the
start of the text is never in the returned part."""
_BOOT = re.compile(r"^\s*-?\d+ (?P<id>[0-9a-f]{32})\s")
_HEAD = re.compile(r"^\s*IDX\s+BOOT ID\s")
_UNIT = re.compile(r"^[\w@.:\\-]+$", re.ASCII)


class BootLogReader(Protocol):
    async def last_boot(self, unit: str = "", lines: int = LINES, known: str = "") -> str:
        """Returns the end of the log of the previous boot, at most LOG_MOST characters, of one unit or of all.

        `known` is the id of a boot that is not wanted. If it is the newest one before the current boot, the log begins
        with a note. Raises MachineError where the journal has no earlier boot.
        """
        ...


class JournalctlBootLog:
    """The log of the previous boot, read by journalctl through a Host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def last_boot(self, unit: str = "", lines: int = LINES, known: str = "") -> str:
        """Returns the log as `BootLogReader.last_boot` does."""
        checked_unit(unit)
        boots = parse_boots(
            await checked(self._host, ("journalctl", "--list-boots", "--no-pager", "--quiet"))
        )
        if len(boots) < 2:
            raise MachineError(
                "the machine's journal has no earlier boot: it is not kept across boots; "
                "mkdir /var/log/journal on it, and the next one is"
            )
        last = boots[-2]
        argv = [
            "journalctl",
            f"--boot={last}",
            f"--lines={lines}",
            "--no-pager",
            "--quiet",
            "--output=short-iso",
        ]
        text = await checked(self._host, [*argv, f"--unit={unit}"] if unit else argv)
        head = (
            "(the boot that failed has left no log; this is the end of the one before it)\n"
            if known and last == known.replace("-", "")
            else ""
        )
        return bounded(head, redaction.redact(text[-LOOKED_AT:]))


def checked_unit(unit: str) -> str:
    """Returns the checked name of a unit; empty means all units. Raises MachineError for an invalid name."""
    if unit and (not _UNIT.match(unit) or unit.startswith("-")):
        raise MachineError(f"{unit!r} is not the name of a unit")
    return unit


def parse_boots(text: str) -> Sequence[str]:
    """Returns boot ids, oldest first. Raises MachineError with a line that cannot be parsed."""
    found: list[str] = []
    for line in text.splitlines():
        if not line.strip() or _HEAD.match(line):
            continue
        boot = _BOOT.match(line)
        if boot is None:
            raise MachineError(f"journalctl --list-boots has a line that is not understood: {line[:300]!r}")
        found.append(boot["id"])
    return found


def bounded(head: str, text: str) -> str:
    """Returns `head` and as many whole lines from the end as fit into LOG_MOST characters."""
    room = LOG_MOST - len(head)
    if len(text) <= room:
        return head + text
    kept = text[-room:]
    return head + (kept.partition("\n")[2] or kept)
