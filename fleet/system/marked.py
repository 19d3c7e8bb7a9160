"""Ends programs by a mark in their environment: their children have it too, also in sessions of their own."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def end_marked(mark: bytes) -> int:
    """Kills the processes with a variable that begins with this text (`NAME=value`) in their environment, and returns
    how many there were. Only processes of the same user are found."""
    found = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(variable.startswith(mark) for variable in (process / "environ").read_bytes().split(b"\0")):
                found += 1
                os.kill(int(process.name), signal.SIGKILL)
    return found
