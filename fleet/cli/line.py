"""Runs one command line: the one place that turns errors into messages and exit codes.

0 done, 1 failed, 2 usage or configuration, 3 held (nothing wrong, nothing started), 4 findings, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.core.records.errors import FleetError

INTERRUPTED = 130
GLOBAL = ("--home", "--database", "--log-format", "--log-level")
"""Options of `fleet` itself that may stand anywhere on the line."""


def run_line(args: Sequence[str], command: Callable[[Sequence[str]], object]) -> int:
    """Runs one command and returns its exit code. `command` is given the line with its global options first. Nothing
    passes through but a SystemExit of the interpreter's own."""
    try:
        code = command(lifted(args))
        print(end="", flush=True)
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as left:
        # Typer makes an exit of a broken pipe.
        if isinstance(left.__context__, BrokenPipeError):
            return _reader_left()
        raise
    except Exception as error:
        if os.environ.get("FLEET_DEBUG"):
            raise
        return _print_error(error)


def lifted(args: Sequence[str]) -> list[str]:
    """Returns the line with its global options first, as their parser wants them; what stands behind `--` stays."""
    first: list[str] = []
    rest: list[str] = []
    left = iter(args)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument in GLOBAL:
            first += [argument, *([value] if (value := next(left, None)) is not None else [])]
        elif argument.startswith(tuple(f"{name}=" for name in GLOBAL)):
            first.append(argument)
        else:
            rest.append(argument)
    return first + rest


def _print_error(error: Exception) -> int:
    import typer

    from fleet.core.records.errors import FleetError

    if isinstance(error, FleetError):
        return _print_fleet_error(error)
    if isinstance(error, typer.TyperException):
        return _print_usage_error(error)
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if isinstance(error, OSError):
        return _print_os_error(error)
    _print(f"error: {type(error).__name__}: {error}")
    _print("  -> this is a bug in fleet; FLEET_DEBUG=1 shows where it happened")
    return 1


def _print_fleet_error(error: FleetError) -> int:
    from fleet.core.records.errors import ConfigError, HeldError

    if isinstance(error, ConfigError):
        _print(f"error: {error.count:,} problem{'' if error.count == 1 else 's'} in {error.where}")
        for problem in error.problems:
            _print(f"  {problem}")
    else:
        _print(f"{'held' if isinstance(error, HeldError) else 'error'}: {error.message}")
    if error.hint:
        _print(f"  -> {error.hint}")
    return error.exit_code


def _print_usage_error(error: Exception) -> int:
    """Shows what Typer found wrong with the line, and where to read on."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = message.replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "fleet"
    if not message:
        return 2
    if context is not None and message == context.get_help():
        # A group of commands without one: nothing is wrong with its help, and there is no more to read.
        _print(message)
    else:
        _print(f"error: {message[0].lower()}{message[1:]}")
        _print(f"  -> {path} --help")
    return int(getattr(error, "exit_code", 2))


def _print_os_error(error: OSError) -> int:
    """Shows an error of a file or the disk, where no adapter has a better message."""
    from fleet.core.records.errors import DISK_FULL

    where = f"{error.filename}: " if error.filename else ""
    _print(f"error: {where}{error.strerror or error}")
    if error.errno == errno.ENOENT and not where:
        _print("  -> the current folder does not exist any more: change to another one")
    if error.errno in DISK_FULL:
        _print("  -> free space on that disk; nothing that was journaled is lost")
    return 1


def _reader_left() -> int:
    """Returns the exit code where the reader of the output has seen enough (`fleet status | head`), and keeps the
    interpreter's last flush quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _print(line: str) -> None:
    from fleet.cli.terminal.program import as_typed
    from fleet.core.text.visible import visible_lines

    print(visible_lines(as_typed(line)), file=sys.stderr)
