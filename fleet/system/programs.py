"""Runs another program, bounded in time and in the output that is kept, and leaves none of its processes running.

The program leads a process group of its own. When it has ended, or has run too long, the whole group is killed: a
child that is left would go on, and would hold the pipes of the output open. A child that has started a session of its
own (`setsid`, as daemons do) is not in the group: it is neither killed nor waited for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from msgspec import Struct

LAST_SECONDS = 1.0
"""Seconds to wait after the group was killed: for the kernel to end it, and for its pipes to be read to their ends. As
`WaitDelay` of Go's os/exec, this bounds the wait where a process cannot be killed or another process holds a pipe."""

CHUNK = 1 << 16

Keep = Callable[[bytearray], None]
"""Cuts the output that was collected so far to the part that is kept."""


class FinishedProgram(Struct, frozen=True):
    code: int
    """The program's exit code; for a program killed by a signal, the number of the signal as a negative number."""
    out: bytes
    err: bytes


class LateError(TimeoutError):
    """The program has not ended in time. `finished` has what it had written until it was killed."""

    def __init__(self, finished: FinishedProgram) -> None:
        super().__init__()
        self.finished = finished


def first(most: int) -> Keep:
    """Returns a function that keeps the first `most` bytes of an output."""

    def keep(kept: bytearray) -> None:
        del kept[most:]

    return keep


def last(most: int) -> Keep:
    """Returns a function that keeps the last `most` bytes of an output."""

    def keep(kept: bytearray) -> None:
        del kept[: max(0, len(kept) - most)]

    return keep


async def run(
    argv: Sequence[str], env: Mapping[str, str], seconds: float, keep: Keep, folder: Path | None = None
) -> FinishedProgram:
    """Runs a program without standard input, until it ends. `keep` is applied to each of its two outputs. `folder` is
    the program's working directory; the default is that of this process.

    Raises OSError and ValueError where the program cannot be started, and LateError where it has not ended after
    `seconds`; then, and when the caller is cancelled, the program is killed with its children.
    """
    process = _started(argv, env, folder)
    late = False
    exited, outputs = _exit_of(process), [_Output(process.stdout, keep), _Output(process.stderr, keep)]
    try:
        async with asyncio.timeout(seconds):
            await exited.wait()
    except TimeoutError:
        late = True
    finally:
        end_group(process.pid)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    for event in (exited, *(output.ended for output in outputs)):
                        await event.wait()
        finally:
            for output in outputs:
                output.close()
    out, err = (bytes(output.kept) for output in outputs)
    finished = FinishedProgram(process.returncode, out, err)
    if late:
        raise LateError(finished)
    return finished


def end_group(leader: int) -> None:
    """Kills what is left of the process group that this process leads, or led until a moment ago."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _started(argv: Sequence[str], env: Mapping[str, str], folder: Path | None) -> subprocess.Popen[bytes]:
    """Starts the program. asyncio is not used here: a task that is cancelled while asyncio starts a program never
    learns the program's pid, and cannot kill its group."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=folder,
        start_new_session=True,
    )


def _exit_of(process: subprocess.Popen[bytes]) -> asyncio.Event:
    """Returns an event that is set when the program has ended; its children may go on."""
    exited, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait() -> None:
        process.wait()
        # Nothing waits for the event where the loop is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(exited.set)

    threading.Thread(target=wait, daemon=True).start()
    return exited


class _Output:
    """Reads a pipe as data arrives, whether or not anything waits for the data, so that the program can go on writing.
    Must be closed."""

    def __init__(self, pipe: IO[bytes] | None, keep: Keep) -> None:
        assert pipe is not None
        self._pipe, self._keep = pipe, keep
        self.kept = bytearray()
        self.ended = asyncio.Event()
        """Set when no process holds the other end of the pipe any more."""
        os.set_blocking(pipe.fileno(), False)
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._pipe.fileno(), CHUNK)
        except BlockingIOError:
            return
        self.kept += chunk
        self._keep(self.kept)
        if not chunk:
            self.close()
            self.ended.set()

    def close(self) -> None:
        if not self._pipe.closed:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()
