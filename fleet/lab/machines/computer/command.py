"""Runs another program and waits for its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fleet.lab.errors import LabError

_SHOWN = 1500


def run(*command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Returns the program's standard output, stripped. Raises LabError with the end of its output where it fails."""
    argv = [str(argument) for argument in command]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip())[-_SHOWN:]
        raise LabError(f"{' '.join(argv)[:200]} failed with exit code {done.returncode}:\n{output}")
    return done.stdout.strip()
