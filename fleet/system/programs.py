"""Another program, bounded in time and in what is kept of its output, of which nothing is left running.

It leads a process group of its own. When it has ended, or is given up on, the whole group is killed: a child that it has
left would go on, and would hold the pipes of its output open. A child that has made a session of its own (`setsid`, as
daemons do) is not of the group: it is not killed, and nobody waits for it either.
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
"""What is left to wait for once the group is killed: that the kernel has ended it, and that its pipes are read to their
ends. As `WaitDelay` of Go's os/exec, it bounds the wait where a process cannot be killed or a pipe is held by a stranger."""

CHUNK = 1 << 16

Keep = Callable[[bytearray], None]
"""Cuts what was kept of an output so far to the part that is wanted."""


class FinishedProgram(Struct, frozen=True):
    code: int
    """Its exit code; of one that was killed by a signal, the number of the signal as a negative number."""
    out: bytes
    err: bytes


def first(most: int) -> Keep:
    """Keeps the first bytes of an output, at most so many."""

    def keep(kept: bytearray) -> None:
        del kept[most:]

    return keep


def last(most: int) -> Keep:
    """Keeps the last bytes of an output, at most so many."""

    def keep(kept: bytearray) -> None:
        del kept[: max(0, len(kept) - most)]

    return keep


async def run(
    argv: Sequence[str], env: Mapping[str, str], seconds: float, keep: Keep, folder: Path | None = None
) -> FinishedProgram:
    """Runs a program without standard input, until it ends. `keep` is applied to each of its two outputs. `folder`: where
    it runs; not given: where this process does.

    Raises OSError and ValueError where it cannot be started, and TimeoutError where it has not ended after `seconds`;
    then, and when the caller is cancelled, it is killed with its children.
    """
    process = _started(argv, env, folder)
    exited, outputs = _exit_of(process), [_Output(process.stdout, keep), _Output(process.stderr, keep)]
    try:
        async with asyncio.timeout(seconds):
            await exited.wait()
    finally:
        end_group(process.pid)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    for event in (exited, *(each.ended for each in outputs)):
                        await event.wait()
        finally:
            for each in outputs:
                each.close()
    out, err = (bytes(each.kept) for each in outputs)
    return FinishedProgram(process.returncode, out, err)


def end_group(leader: int) -> None:
    """Kills what is left of the process group that this process leads, or has led a moment ago."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _started(argv: Sequence[str], env: Mapping[str, str], folder: Path | None) -> subprocess.Popen[bytes]:
    """Not by asyncio: who is cancelled while that starts a program never learns its number, and cannot kill its group."""
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
    """An event that is set when the program has ended; its children may go on."""
    exited, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait() -> None:
        process.wait()
        # Nobody waits any more where the loop is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(exited.set)

    threading.Thread(target=wait, daemon=True).start()
    return exited


class _Output:
    """Reads a pipe as it comes, whether anybody waits for it or not, so that who writes there can go on. Close it."""

    def __init__(self, pipe: IO[bytes] | None, keep: Keep) -> None:
        assert pipe is not None
        self._pipe, self._keep = pipe, keep
        self.kept = bytearray()
        self.ended = asyncio.Event()
        """Nobody holds the other end any more."""
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
