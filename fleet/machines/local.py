"""Runs commands on this very machine: from a pod through the namespaces of its host, through a chroot, or directly."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fleet.core.records.errors import UsageError
from fleet.core.text.environment import for_others
from fleet.machines.errors import MachineError
from fleet.machines.host import ABSENT, MOST, CommandResult
from fleet.system import programs
from fleet.system.programs import last

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


CAPABILITIES = ("SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE")
"""The capabilities that `namespaces` takes: to look at process 1, to enter its namespaces, and its root folder."""
OF_PROGRAMS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "LINUX_IMMUTABLE", "SETFCAP")
"""The capabilities that programs of the host take which write a deployment themselves, as a rollback does. What stages a
release runs under the host's systemd, which has all."""


def namespaces(pid: int) -> tuple[str, ...]:
    """Returns the prefix that runs a command in the namespaces of this process. Needs root."""
    return ("nsenter", "--target", str(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--")


NAMESPACES = namespaces(1)
"""The prefix for the host's namespaces, in a pod with hostPID."""


def prefix_of(way: str) -> tuple[str, ...]:
    """Returns the prefix of each command, for `namespaces`, `here`, or `chroot:/host`. Raises UsageError for another
    text."""
    if way == "namespaces":
        return NAMESPACES
    if way == "here":
        return ()
    kind, _, folder = way.partition(":")
    if kind == "chroot" and folder.startswith("/"):
        return ("chroot", folder)
    raise UsageError(
        f"a host cannot be reached by {way!r}", "ssh:USER@NAME, namespaces, here, or chroot:/FOLDER"
    )


class Local:
    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(prefix)

    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> CommandResult:
        """Runs a command as `Host.run` does. A command that runs too long is killed with its children; a missing
        program gives exit code 127, as in a shell."""
        command = (*self._prefix, *argv)
        environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
        try:
            ended = await programs.run(command, for_others(os.environ) | environment, seconds, last(MOST))
        except TimeoutError:
            raise MachineError(f"{' '.join(argv)[:200]}: has not ended after {seconds:.0f} s") from None
        except FileNotFoundError:
            if self._prefix:
                raise MachineError(f"{command[0]} cannot be run: it does not exist") from None
            return CommandResult(tuple(argv), ABSENT, "", f"{command[0]}: not found")
        except OSError as error:
            raise MachineError(f"{command[0]} cannot be run: {error.strerror or error}") from None
        return CommandResult(tuple(argv), ended.code, _text(ended.out), _text(ended.err))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
