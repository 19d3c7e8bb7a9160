"""One row for each command that a benchmark measures: its median times, and its peak of memory."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from bench.memory import Used

HEAD = ("WHAT", "CPU", "WALL", "MEMORY")


class Row(Struct, frozen=True):
    what: str
    cpu: float
    """The median of the seconds of CPU time, user and system."""
    wall: float
    memory: float
    """The peak of resident memory in MB, the most of all runs."""


def row_of(what: str, runs: Sequence[Used]) -> Row:
    """Returns the row of a command that was run so often."""
    return Row(
        what,
        median(run.cpu for run in runs),
        median(run.wall for run in runs),
        max(run.memory for run in runs),
    )


def shown(row: Row) -> str:
    return line((row.what, f"{row.cpu:.2f}", f"{row.wall:.2f}", f"{row.memory:.0f}"))


def line(cells: Sequence[str]) -> str:
    return "  ".join((cells[0].ljust(32), *(cell.rjust(7) for cell in cells[1:])))
