"""One program of the lab as an operating-system process: starts it, finds it again later, stops it.

A process is identified by its id and its start time, so that a recycled id is never mistaken for the lab's own
process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fleet.lab.errors import LabError

TERM_SECONDS = 10.0
"""Seconds that a program may take to end after SIGTERM before it is killed."""

KILL_SECONDS = 10.0
_POLL_SECONDS = 0.02
_LOG_LINES = 15


class ProcessRecord(msgspec.Struct, frozen=True):
    """The stored data of a running program: its process id, the start time of that process, and its log."""

    name: str
    pid: int
    started: str
    log: Path


class Process:
    """A program of the lab, started here or found again from its record."""

    def __init__(self, record: ProcessRecord, child: subprocess.Popen[bytes] | None = None) -> None:
        self.record = record
        self._child = child

    @staticmethod
    def start(name: str, command: Sequence[str | Path], log: Path, *, tied: bool) -> Process:
        """Starts a program in a session of its own, its output appended to `log`.

        A tied program ends when this process does, however that happens: its standard input is a pipe from here,
        and it exits at the end of the pipe. (PR_SET_PDEATHSIG would act on the thread that started it.)
        """
        environment = {**os.environ, "FLEET_LAB_TIED": "1"} if tied else {**os.environ}
        if not tied:
            environment.pop("FLEET_LAB_TIED", None)
        with log.open("ab") as output:
            child = subprocess.Popen(
                [str(argument) for argument in command],
                stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment,
            )
        started = start_time(child.pid)
        if started is None:
            raise LabError(f"{name} ended as it started:\n{last_lines(log)}", f"its log is {log}")
        return Process(ProcessRecord(name, child.pid, started, log), child)

    def is_alive(self) -> bool:
        """Returns whether exactly this process still runs."""
        if self._child is not None:
            return self._child.poll() is None
        return start_time(self.record.pid) == self.record.started

    def check(self) -> None:
        """Raises LabError with the end of the log where the program has ended."""
        if not self.is_alive():
            record = self.record
            raise LabError(f"{record.name} has ended:\n{last_lines(record.log)}", f"its log is {record.log}")

    def stop(self) -> None:
        """Ends the program: SIGTERM, and SIGKILL where that is not enough. Raises LabError if it survives both."""
        for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            if not self._signal(number) or self._ends_within(seconds):
                self._close()
                return
        raise LabError(f"{self.record.name} (process {self.record.pid}) does not end, not even by SIGKILL")

    def kill(self) -> None:
        """Ends the program by SIGKILL, without warning. Raises LabError if the program survives."""
        if self._signal(signal.SIGKILL) and not self._ends_within(KILL_SECONDS):
            raise LabError(
                f"{self.record.name} (process {self.record.pid}) does not end, not even by SIGKILL"
            )
        self._close()

    def _signal(self, number: signal.Signals) -> bool:
        """Sends the signal. Returns False where the process is gone."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.record.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition
        return True

    def _close(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()


def start_time(pid: int) -> str | None:
    """Returns when process `pid` began, as an opaque text; None where there is no such process or it is a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # The second field is the program's name in parentheses and may hold spaces.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def last_lines(log: Path) -> str:
    """Returns the end of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
