"""Files that users name: regular files, named pipes such as those of `<(command)`, and `-`, which is standard input."""

from __future__ import annotations

import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.core.text.encoding import in_utf8

STANDARD_INPUT = "-"


class GivenFile(Struct, frozen=True):
    """The content of a file that a user has named."""

    content: bytes
    """UTF-8 without a byte order mark, where it is text."""
    changed: datetime | None
    """When the file was last changed; None for a pipe and for standard input."""


def given_file(path: Path, largest: int, remedy: str) -> GivenFile:
    """Reads a file, a pipe, or standard input (`-`) to its end, once: a pipe has its content only once. A pipe is waited
    for until its writer closes it.

    Raises UsageError with the remedy for what cannot be read, is no file (such as a device), is larger than `largest`
    bytes, or is not of the encoding that its byte order mark names.
    """
    shown = shown_name(path)
    changed: datetime | None = None
    try:
        if is_standard_input(path):
            content = sys.stdin.buffer.read(largest + 1)
        else:
            status = path.stat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
                raise UsageError(f"{shown} is neither a file nor a pipe", remedy)
            if stat.S_ISREG(status.st_mode):
                changed = datetime.fromtimestamp(status.st_mtime, UTC)
            with path.open("rb") as file:
                content = file.read(largest + 1)
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror or error}", remedy) from None
    if len(content) > largest:
        raise UsageError(f"{shown} is larger than {largest >> 20} MiB", remedy)
    try:
        return GivenFile(in_utf8(content), changed)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{shown} is not {error.encoding.upper()} (byte {error.start})", "save it in UTF-8"
        ) from None


def is_standard_input(path: Path) -> bool:
    return str(path) == STANDARD_INPUT


def shown_name(path: Path) -> str:
    """Returns the name of the file for messages."""
    return "standard input" if is_standard_input(path) else str(path)


def stem(path: Path, option: str) -> str:
    """Returns the file's name without its ending. Raises UsageError for standard input and a pipe, whose names say
    nothing of their content; `option` gives a name."""
    if is_standard_input(path) or path.is_fifo():
        raise UsageError(f"{shown_name(path)} has no name", f"give one with {option}")
    return path.absolute().stem
