"""Measures the growth of a plan's cost with the number of nodes, pods and budgets, each separately.

    python -m bench.growth [--json FILE]

Every case runs in its own process, so that its memory is measured separately. EXPONENT: the growth of the CPU time since
the previous row, as a power of the growth of the input; 1 is linear.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from math import log
from multiprocessing import get_context
from pathlib import Path
from random import Random
from time import process_time
from typing import NamedTuple

import msgspec
from msgspec import Struct

from bench.fleets import NEW, START, App, fleet_of, policy
from bench.memory import most_resident
from fleet.core.planning.estimates import DurationEstimates
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

HEAD = ("GROWS", "NODES", "PODS", "BUDGETS", "SECONDS", "EXPONENT", "MEMORY", "TAKES", "RATIO")
"""SECONDS: CPU seconds of the plan. MEMORY: peak in MB, the fleet itself included."""
REPLICAS = 32
LIMIT = 100


class Case(NamedTuple):
    grows: str
    nodes: int
    pods: int
    """The number of pods on each node."""
    covered: int
    """The number of apps with a budget, of every hundred."""


class Row(Struct, frozen=True):
    grows: str
    nodes: int
    pods: int
    budgets: int
    seconds: float
    memory: float
    makespan: float
    bound: float


CASES = (
    *(Case("nodes", count, 10, 100) for count in (500, 1000, 2000, 4000, 8000)),
    *(Case("pods", 1000, pods, 100) for pods in (5, 10, 20, 40)),
    *(Case("budgets", 1000, 10, share) for share in (0, 25, 50, 100)),
)


def apps(case: Case, rng: Random) -> Iterator[App]:
    """Yields apps of one size; if they have a budget, one to three of their pods may be away."""
    for index in range(case.nodes * case.pods // REPLICAS):
        covered = index % 100 < case.covered
        yield App(REPLICAS, {"max_unavailable": rng.randint(1, 3)} if covered else {})


def measure(case: Case) -> Row:
    rng = Random(str(case))
    snapshot = fleet_of(apps(case, rng), case.nodes, rng)
    began = process_time()
    plan = make_plan(
        PlanRequest("bench", [snapshot], policy(LIMIT), ["workers"], NEW, START, DurationEstimates())
    )
    seconds = process_time() - began
    if plan.held:
        raise RuntimeError(f"held: {plan.held[0]}")
    return Row(
        case.grows,
        case.nodes,
        len(snapshot.pods),
        len(snapshot.budgets),
        seconds,
        most_resident(),
        plan.makespan_seconds,
        plan.lower_bound_seconds,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    print(_line(HEAD))
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for case in CASES:
            rows.append(pool.submit(measure, case).result())
            before = rows[-2] if len(rows) > 1 and rows[-2].grows == case.grows else None
            print(_line(_cells(rows[-1], before)), flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))


def _cells(row: Row, before: Row | None) -> Sequence[str]:
    return (
        row.grows,
        f"{row.nodes:,}",
        f"{row.pods:,}",
        f"{row.budgets:,}",
        f"{row.seconds:.1f}",
        _exponent(row, before),
        f"{row.memory:.0f}",
        f"{row.makespan / 3600:.2f} h",
        f"{row.makespan / row.bound:.2f}",
    )


def _exponent(row: Row, before: Row | None) -> str:
    if before is None or not getattr(before, row.grows):
        return "-"
    grown = getattr(row, row.grows) / getattr(before, row.grows)
    return f"{log(row.seconds / before.seconds) / log(grown):.2f}"


def _line(cells: Sequence[str]) -> str:
    widths = (8, 7, 8, 8, 8, 9, 7, 8, 6)
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


if __name__ == "__main__":
    main()
