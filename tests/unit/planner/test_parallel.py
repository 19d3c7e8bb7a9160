"""Work side by side in forks: answers in order, errors as they were raised, nobody left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pickle import PicklingError

import pytest

from fleet.core.records.errors import FleetError, UsageError
from fleet.planner.parallel import side_by_side


@pytest.fixture(autouse=True)
def no_fork_outlives_its_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test if a process that it forked has not been waited for. Other children of this process, such as a
    server that tests of another file share, are not looked at."""
    forked: list[int] = []
    fork = os.fork

    def recorded() -> int:
        pid = fork()
        forked.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", recorded)
    yield
    for pid in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def answer(number: int) -> tuple[int, int]:
    return number, os.getpid()


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_answers_come_in_the_order_of_the_pieces(most: int) -> None:
    counted: list[int] = []
    found = side_by_side([partial(answer, number) for number in range(5)], most, counted.append)
    assert [number for number, _ in found] == list(range(5))
    assert counted == [1, 2, 3, 4, 5]
    assert len({pid for _, pid in found}) == (1 if most == 1 else 5)


def test_one_piece_alone_needs_no_fork() -> None:
    assert side_by_side([partial(answer, 7)], 4) == [(7, os.getpid())]


def test_nothing_is_done_for_nothing() -> None:
    nothing: list[Callable[[], int]] = []
    assert side_by_side(nothing, 4) == []


def test_they_are_at_work_at_the_same_time() -> None:
    """Each waits for the other's word before it ends."""
    to_first, to_second = os.pipe(), os.pipe()

    def meet(mine: tuple[int, int], other: tuple[int, int]) -> bytes:
        os.write(other[1], b"x")
        return os.read(mine[0], 1)

    pieces = [partial(meet, to_first, to_second), partial(meet, to_second, to_first)]
    assert side_by_side(pieces, 2) == [b"x", b"x"]
    for end in (*to_first, *to_second):
        os.close(end)


def test_a_large_answer_comes_whole() -> None:
    found = side_by_side([lambda: b"a" * 3_000_000, lambda: b"b"], 2)
    assert [len(each) for each in found] == [3_000_000, 1]


def test_an_error_is_raised_here_with_its_hint_and_the_others_are_ended() -> None:
    read, write = os.pipe()

    def fail() -> None:
        raise UsageError("no such pool", "it has: workers")

    def wait() -> None:
        os.read(read, 1)  # for ever

    with pytest.raises(UsageError, match="no such pool") as raised:
        side_by_side([wait, fail], 2)
    assert raised.value.hint == "it has: workers"
    os.close(read)
    os.close(write)


def test_one_that_was_killed_is_told() -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(FleetError, match="ended with -9") as raised:
        side_by_side([die, die], 2)
    assert "memory" in raised.value.hint


def test_what_cannot_be_sent_is_an_error_and_no_silence() -> None:
    with pytest.raises((AttributeError, PicklingError), match=r"pickle|local object"):
        side_by_side([lambda: lambda: None, lambda: lambda: None], 2)
