"""The entry point of the process: signals, streams, and then one command line."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from io import TextIOWrapper

from fleet.cli.line import GLOBAL, run_line
from fleet.cli.signals import end_as_by_interrupt
from fleet.cli.terminal.program import program_name


def main() -> None:
    """Runs the command line of this process, and exits with its code."""
    # No file of fleet's is writable for all users, even where the umask allows it.
    os.umask(os.umask(0o077) | 0o002)
    end_as_by_interrupt()
    _open_streams()
    code = run(sys.argv[1:])
    # The process ends: another garbage collection would be wasted.
    gc.freeze()
    sys.exit(code)


def _open_streams() -> None:
    """Opens the null device in place of a standard stream that was closed before the start (`>&-`): otherwise
    the next file that is opened, such as the database, would get its number and receive its output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        # What the locale's encoding lacks is written out, as Python does on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")


def run(args: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    return run_line(args, _invoke)


def _invoke(line: Sequence[str]) -> object:
    from fleet.cli.command_tree import first_word

    name = program_name(sys.argv[0])
    return _command(first_word(line, GLOBAL))(line, prog_name=name, standalone_mode=False)


@cache
def _command(word: str) -> Callable[..., object]:
    """Returns the program with the command of this name, made once."""
    from fleet.cli.command_tree import command_tree

    return command_tree(word)
