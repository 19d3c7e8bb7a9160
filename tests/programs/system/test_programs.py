"""Other programs: what is kept of their output, and that nothing of them is left running."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.system.programs import FinishedProgram, first, last, run

SLEEP = "import os, time; os.write(os.open({!r}, os.O_WRONLY), b'x'); time.sleep(600)"
"""Says in a pipe that it lives, and holds it open for as long as it does, and its standard output too."""


def ran(source: str, seconds: float = 60.0, most: int = 1000) -> FinishedProgram:
    return asyncio.run(run((sys.executable, "-c", source), dict(os.environ), seconds, first(most)))


@contextmanager
def watched(folder: Path) -> Iterator[tuple[str, int]]:
    """A pipe that a process can hold open for writing, and the end by which one sees whether any does."""
    pipe = folder / "alive"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield str(pipe), reader
    finally:
        os.close(reader)


def gone(reader: int) -> bool:
    """Waits until no process holds the pipe. A test that waits in vain is ended by its own time limit."""
    os.set_blocking(reader, True)
    while os.read(reader, 1):
        pass
    return True


def received(reader: int) -> bool:
    """Whether the pipe has output."""
    try:
        return os.read(reader, 1) != b""
    except BlockingIOError:
        return False


def test_exit_code_and_both_outputs() -> None:
    source = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    assert ran(source) == FinishedProgram(7, b"out\n", b"err\n")
    assert ran("import os; os.kill(os.getpid(), 9)").code == -signal.SIGKILL


def test_first_or_last_part_of_the_output_is_kept() -> None:
    source = "import sys; sys.stdout.write('a' + 'x' * 3000000 + 'z')"
    assert ran(source, most=3).out == b"axx"
    ended = asyncio.run(run((sys.executable, "-c", source), dict(os.environ), 60.0, last(3)))
    assert ended.out == b"xxz"
    kept = bytearray(b"abc")
    last(0)(kept)
    assert kept == b""


def test_program_that_times_out_is_killed_with_its_children(tmp_path: Path) -> None:
    with watched(tmp_path) as (pipe, reader):
        child = SLEEP.format(pipe)
        with pytest.raises(TimeoutError):
            ran(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])", seconds=2.0)
        assert gone(reader)


def test_child_left_by_a_program_is_killed_and_the_answer_is_returned(tmp_path: Path) -> None:
    """The child holds the output open, which delays nothing."""
    with watched(tmp_path) as (pipe, reader):
        child = SLEEP.format(pipe)
        start = f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
        # It can open the pipe when the child has.
        source = f"{start}; os.open({pipe!r}, os.O_RDONLY); print('token')"
        assert ran(source, seconds=300.0) == FinishedProgram(0, b"token\n", b"")
        assert gone(reader)


def test_child_in_a_session_of_its_own_delays_nothing(tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    start = f"p = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)"
    scenario = f"pathlib.Path({str(tmp_path)!r}, str(p.pid)).touch()"
    source = f"import pathlib, subprocess, sys\n{start}\n{scenario}\nprint('token', flush=True)\n"
    try:
        assert ran(source, seconds=300.0) == FinishedProgram(0, b"token\n", b"")
        with pytest.raises(TimeoutError):
            ran(f"{source}\np.wait()", seconds=2.0)
    finally:
        for each in tmp_path.iterdir():
            os.kill(int(each.name), signal.SIGKILL)


def test_cancelled_caller_leaves_nothing_running(tmp_path: Path) -> None:
    async def story(pipe: str, reader: int) -> None:
        child = SLEEP.format(pipe)
        source = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
        task = asyncio.create_task(run((sys.executable, "-c", source), dict(os.environ), 300.0, first(9)))
        while not received(reader):
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with watched(tmp_path) as (pipe, reader):
        asyncio.run(story(pipe, reader))
        assert gone(reader)
