"""The interface that runs commands on a machine: from a pod on it, over ssh, or locally. Families use only this
interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from fleet.core.records.errors import UnreachableError
from fleet.machines import redaction
from fleet.machines.errors import MachineError

SHOWN = 600
"""The most characters of a command's output that an error shows: the last ones, where programs print what was
wrong."""
MOST = 4 * 1024 * 1024
"""The most bytes of each of a command's outputs that are kept: the last ones. The outputs of some thirty hosts are in
memory at once."""
PRINTED = 64 * 1024
"""The most bytes of a long command's output that are read at a time, repeatedly while it runs."""
ABSENT = 127
"""The exit code of a shell for an unknown command."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class LostError(UnreachableError):
    """The connection to the machine was lost while a command ran: the command may or may not have been executed."""


class CommandResult(Struct, frozen=True):
    """The result of a command."""

    argv: tuple[str, ...]
    code: int
    """The exit code. Negative: killed by that signal."""
    stdout: str = ""
    stderr: str = ""

    @property
    def succeeded(self) -> bool:
        return self.code == 0

    @property
    def message(self) -> str:
        """Returns the command and what it printed, for an error."""
        return f"{redaction.redact(' '.join(self.argv))[:200]}: {self.printed}"

    @property
    def printed(self) -> str:
        """Returns the exit code and what the command printed."""
        text = shown(self.stderr.strip() or self.stdout.strip()) or "it printed nothing"
        return f"exit {self.code}: {text}"


class Host(Protocol):
    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> CommandResult:
        """Runs the command as root, waits for its end, and returns its result, whatever its exit code.

        Raises UnreachableError where the machine cannot be reached, LostError where the connection was lost meanwhile,
        and MachineError where the command has not ended after `seconds`.
        """
        ...


def shown(text: str) -> str:
    """Returns the last part of a text that may be long, without secrets."""
    text = redaction.redact(text[-PRINTED:])
    return text if len(text) <= SHOWN else f"... {text[-SHOWN:]}"


async def checked(host: Host, argv: Sequence[str], seconds: float = 60.0) -> str:
    """Runs a command and returns its standard output. Raises MachineError with the command's own message where it
    fails."""
    ran = await host.run(argv, seconds)
    if not ran.succeeded:
        raise MachineError(ran.message)
    return ran.stdout


async def read(host: Host, path: str) -> str | None:
    """Returns the text of a file; None where there is no such file."""
    ran = await host.run(("sh", "-c", 'test -e "$1" || exit 44; exec cat -- "$1"', "sh", path))
    if ran.code == 44:
        return None
    if not ran.succeeded:
        raise MachineError(ran.message)
    return ran.stdout


async def read_end(host: Host, path: str) -> str:
    """Returns the last PRINTED bytes of a file that a command prints into; empty where there is no such file."""
    ran = await host.run(
        ("sh", "-c", 'test -e "$1" || exit 44; exec tail -c "$2" -- "$1"', "sh", path, f"{PRINTED}")
    )
    if not ran.succeeded and ran.code != 44:
        raise MachineError(ran.message)
    return ran.stdout


async def read_line(host: Host, path: str) -> str:
    """Returns the one line of a file. Raises MachineError where the file is missing or empty."""
    text = await read(host, path)
    if text is None or not text.strip():
        raise MachineError(f"{path} is {'missing' if text is None else 'empty'}")
    return text.strip()
