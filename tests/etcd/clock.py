"""Real members whose wall clock is wrong, by as much as one likes and while they run."""

from __future__ import annotations

import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "clock.c"


class Clock:
    """Off by nothing until it is `set`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._program = folder / "clock"
        self._file = folder / f"{name}.clock"
        if not self._program.exists():
            _build(self._program)
        self._file.write_bytes(struct.pack("=q", 0))

    @property
    def before(self) -> Sequence[str]:
        """What stands in front of the command that has this clock."""
        return str(self._program), str(self._file)

    def set(self, off: timedelta) -> None:
        """In place: the running program has the file in its memory."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", int(off.total_seconds())))


def _build(program: Path) -> None:
    """Without a C compiler, or on another kind of machine, the test is skipped, and fails with CI=true."""
    compiler = shutil.which("cc")
    if compiler is None or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        reason = "a member's clock can be set wrong with a C compiler, on Linux and x86_64"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", program, SOURCE], check=True)
