"""What a process takes of the machine: this one, or a command."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

SAMPLED = 0.02
"""Seconds between two looks at how much memory a command has taken."""


class Used(NamedTuple):
    cpu: float
    """Seconds, user and system, as is `wall`."""
    wall: float
    memory: float
    """MB resident at most."""


def most_resident() -> float:
    """MB, of this process at its most. ru_maxrss is in kilobytes on Linux, in bytes on macOS."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def used_by(words: Sequence[str]) -> Used:
    """Runs a command to its end. Raises RuntimeError with its words where it fails."""
    memory, began = 0.0, time.monotonic()
    with TemporaryFile() as errors:
        # As users have it: with the bytecode that an earlier start has left.
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors, env=environ)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            memory = max(memory, _resident(process.pid))
            time.sleep(SAMPLED)  # noqa: TID251 - between two looks
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            told = errors.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(words)}: {process.returncode}\n{told}")
    return Used(used.ru_utime + used.ru_stime, time.monotonic() - began, memory)


def _resident(pid: int) -> float:
    """MB at most so far. The kernel's own figure at the end would be the parent's, where that is the larger one."""
    try:
        told = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    most = next((line for line in told.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(most.split()[1]) / 1024
