"""Controllers as processes on a home, and waiting for what they do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.app.wiring.home import Home


def wait(condition: Callable[[], object], message: Callable[[], str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message()
        time.sleep(0.05)  # noqa: TID251 - between two looks at the condition


@contextmanager
def controller(home: Home, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["-m", "fleet.cli", "--home", str(home.path), "--database", home.database, "run"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=file, stderr=file, env={**os.environ, "NO_COLOR": "1"}
        )
    try:
        yield process
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait(30)
