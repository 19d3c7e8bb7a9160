"""Controllers as processes, each with a log of its own, to be stopped, woken and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.rolling import wait


class Controller:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def stopped(self) -> bool:
        """By a signal; source: proc(5)."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "T"

    def until_stopped(self) -> None:
        wait(lambda: self.stopped, lambda: self.output, 120)

    def until_it_says(self, message: str, times: int = 1, seconds: float = 180) -> None:
        wait(lambda: self.output.count(message) >= times, lambda: f"{message!r} in:\n{self.output}", seconds)

    def until_it_waits_for(self, other: Controller) -> None:
        self.until_it_says(f"/{other.process.pid}/")
        assert "is in control: waiting for it to end" in self.output

    def until_it_leads(self, times: int = 1, seconds: float = 180) -> None:
        self.until_it_says("in control of 1 clusters", times, seconds)

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        self.until_stopped()

    def wake(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


@contextmanager
def controller(home: Path, name: str, *, stopped_at: str = "") -> Iterator[Controller]:
    """`fleet run`. `stopped_at`: it stops itself right after the first such record (`intent reboot`) is committed."""
    plain = ["-m", "fleet.cli", "--home", str(home), "run"]
    struck = ["-m", "tests.cluster.signalled", str(home), stopped_at, "SIGSTOP"]
    log = home / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *(struck if stopped_at else plain)],
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"},
        )
    made = Controller(process, log)
    try:
        yield made
        assert "Traceback" not in made.output, made.output
    finally:
        made.kill()
