"""Does independent work in parallel: each piece in a fork of this process. A fork has all that its parent has read, so only
its result is sent back.

A fork leaves by `os._exit`: it flushes and closes nothing of its parent, neither the terminal nor the database.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from selectors import EVENT_READ, DefaultSelector
from typing import Any, NoReturn, TypeVar

from fleet.core.records.errors import FleetError

T = TypeVar("T")
MOST = 4
"""The most forks at once. Each copies the memory that it changes, which for a plan is about all that a plan needs."""
CHUNK = 1 << 16


def at_once() -> int:
    """Returns the number of processors that this process may use, `MOST` at most."""
    return min(MOST, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 1


def side_by_side(
    pieces: Sequence[Callable[[], T]], most: int, ended: Callable[[int], None] = lambda count: None
) -> list[T]:
    """Returns the results of the pieces, in their order. A result must go through `pickle`. At most `most` run at once; if
    that is one, or there is only one piece, this process does the work itself.

    What a piece changes outside itself may be lost. `ended` is called with how many pieces have ended. Raises what a piece
    raised, and FleetError for one that was killed; the other pieces are killed then.
    """
    if min(most, len(pieces)) < 2:
        return list(_in_turn(pieces, ended))
    waiting = deque(enumerate(pieces))
    results: dict[int, T] = {}
    working: dict[int, Fork] = {}
    with DefaultSelector() as selector:
        try:
            while waiting or working:
                while waiting and len(working) < most:
                    number, piece = waiting.popleft()
                    working[number] = fork = Fork(piece)
                    selector.register(fork.answer, EVENT_READ, number)
                for key, _ in selector.select():
                    fork = working[key.data]
                    if fork.read():
                        continue
                    selector.unregister(fork.answer)
                    del working[key.data]
                    results[key.data] = fork.end()
                    ended(len(results))
        finally:
            for fork in working.values():
                fork.kill()
    return [results[number] for number in range(len(pieces))]


def _in_turn(pieces: Sequence[Callable[[], T]], ended: Callable[[int], None]) -> Iterator[T]:
    for count, piece in enumerate(pieces, start=1):
        yield piece()
        ended(count)


class Fork:
    """One piece that is being done in a process of its own."""

    def __init__(self, piece: Callable[[], Any]) -> None:
        self.answer, write = os.pipe()
        """The file descriptor to read its result from."""
        self._written = bytearray()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.answer)
            _work(piece, write)
        os.close(write)

    def read(self) -> bool:
        """Reads what the fork has written so far. Returns False at the end."""
        chunk = os.read(self.answer, CHUNK)
        self._written += chunk
        return bool(chunk)

    def end(self) -> Any:
        """Returns the result. Raises what the piece raised, and FleetError if the fork was killed."""
        os.close(self.answer)
        _, status = os.waitpid(self.pid, 0)
        if status or not self._written:
            raise FleetError(
                f"a process that planned ended with {os.waitstatus_to_exitcode(status)}",
                "it may have had too little memory: try it where there is more",
            )
        succeeded, value = pickle.loads(self._written)  # noqa: S301 (our own process wrote it)
        if not succeeded:
            raise value
        return value

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.answer)


def _work(piece: Callable[[], Any], descriptor: int) -> NoReturn:
    """Does the piece in the fork. The parent handles an interrupt from the terminal."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            message = pickle.dumps((True, piece()))
        except Exception as error:  # raised again in the parent
            message = pickle.dumps((False, error))
        view = memoryview(message)
        while view:
            view = view[os.write(descriptor, view) :]
        code = 0
    finally:
        os._exit(code)
