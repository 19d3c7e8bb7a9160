"""Measures the CPU time and memory of this process, or of a command."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

SAMPLED = 0.02
"""Seconds between two samples of a command's memory."""


class Used(NamedTuple):
    cpu: float
    """CPU seconds, user and system."""
    wall: float
    memory: float
    """The peak of resident memory in MB."""


def most_resident() -> float:
    """Returns this process's peak memory in MB. ru_maxrss is in kilobytes on Linux, in bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


FINDINGS = (4, 5)
"""Exit codes of commands that have found something, or that cannot know."""


def used_by(
    command: Sequence[str], environ: Mapping[str, str] | None = None, output: Path = Path(os.devnull)
) -> Used:
    """Runs a command to its end, with the environment of this process if none is given, and writes what it prints to
    `output`. Raises RuntimeError with its errors if the command fails; findings are no failure."""
    memory, began = 0.0, time.monotonic()
    with TemporaryFile() as errors, output.open("wb") as printed:
        # As on a user's machine, the command finds the bytecode of an earlier start.
        given = os.environ if environ is None else environ
        kept = {key: value for key, value in given.items() if key != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(command, stdout=printed, stderr=errors, env=kept)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            memory = max(memory, _resident(process.pid))
            time.sleep(SAMPLED)  # noqa: TID251 - between two looks
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and process.returncode not in FINDINGS:
            errors.seek(0)
            told = errors.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)}: {process.returncode}\n{told}")
    return Used(used.ru_utime + used.ru_stime, time.monotonic() - began, memory)


def _resident(pid: int) -> float:
    """Returns the process's peak memory so far in MB. The kernel's figure at the end would be the parent's if that is
    larger."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(peak.split()[1]) / 1024
