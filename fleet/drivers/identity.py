"""The identity of a controller process, and whether another process on this host is dead."""

from __future__ import annotations

import os
from pathlib import Path


def own_identity() -> str:
    """Returns `fleet@HOST/PID/START`: START is the process's start time in clock ticks, so that a recycled pid is
    another."""
    pid = os.getpid()
    return f"fleet@{os.uname().nodename}/{pid}/{_start_ticks(pid)}"


def abandoned(identity: str) -> bool:
    """Returns whether the holder ran on this very host and its process is gone. False wherever that cannot be known."""
    host, _, process = identity.removeprefix("fleet@").partition("/")
    pid, _, start = process.partition("/")
    if host != os.uname().nodename or not pid.isdigit() or not start:
        return False
    return str(_start_ticks(int(pid))) != start


def _start_ticks(pid: int) -> int:
    """Returns the start time; 0 for a process that is not there, or is a zombie. Source: proc(5), field 22 of
    /proc/PID/stat."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])
