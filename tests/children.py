"""The child processes of this one, from /proc, and the check that a file of tests leaves none behind."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_child_process_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the last test of a file that leaves a child process behind, and names the file.

    Another file of tests in the same process would find the child as its own. For every test of a folder whose
    conftest.py imports this fixture.
    """
    before = children()
    yield
    if left := left_behind(before, children()):
        pytest.fail(
            f"{request.path.name} leaves child processes behind; stop each by its pid:\n{left}", pytrace=False
        )


def children() -> dict[int, str]:
    """Returns the command line of each child of this process by its pid, also of those that nobody has waited for."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except FileNotFoundError:
            continue  # the thread has ended since
        for pid in map(int, pids):
            found[pid] = _command_line(pid)
    return found


def wait_for_new_children(before: Mapping[int, str]) -> None:
    """Waits until each child that was not there before has ended, for tests of code that starts programs and leaves
    them."""
    for pid in children().keys() - before.keys():
        os.waitpid(pid, 0)


def left_behind(before: Mapping[int, str], after: Mapping[int, str]) -> str:
    """Returns a line for each child that is there after and was not before. Empty: there is none."""
    return "\n".join(f"{pid}: {command}" for pid, command in after.items() if pid not in before)


def _command_line(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        command = b""
    return (
        command.replace(b"\0", b" ").decode(errors="replace").strip()
        or "ended, and nobody waited for its end"
    )
