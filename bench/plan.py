"""Measures `fleet plan` beside an older commit, whole processes in turns, and has the plans of both judged.

    python -m bench.plan [--beside COMMIT] [--runs N] [--rows NAME ...] [--nodes N] [--json FILE] [--at-most RATIO]

With `--at-most` it exits with 1 if the RATIO of a row is above that, for a release or a change that may cost time.

The older commit is taken from this repository into a temporary folder, and runs with the libraries of this
installation. Both read the same dump. CPU: seconds of user and system time, median of the runs. RATIO: what the aim is
about, this commit to the older one where both are measured in seconds or MB. BROKEN: how many rules the plans break by
`bench/judge.py`, of the older commit and of this one.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from os import getloadavg
from pathlib import Path
from platform import machine, python_version
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from bench.dumps import write_dump, write_policy
from bench.fleets import NEW, make
from bench.judge import broken, read_dump
from bench.memory import Used, used_by
from bench.status import WAY

BESIDE = "46f985b"
TREE = Path(__file__).resolve().parent.parent
WIDTHS = (46, 10, 10, 7, 7, 14)
CLUSTERS, NODES_OF_EACH = 7, 222
"""Sets how large the fleet is whose home has a journal with an entry for each step of each node."""
MAKE_HOME = (
    "import sys; from pathlib import Path; from bench.status import a_home; a_home(Path(sys.argv[1]), {}, {})"
)
HEAD = ("WHAT", "OLD", "NEW", "RATIO", "AIM", "BROKEN")


class Row(Struct, frozen=True):
    what: str
    old: float
    """The older commit's figure, in the unit that `what` names."""
    new: float
    ratio: float
    aim: float
    broken: tuple[int, int] | None
    """How many rules the plans break; None: the commands make no plan that could be judged."""


class Case(NamedTuple):
    """A fleet and a command that plans its upgrade."""

    shape: str
    nodes: int
    limit: int | None
    options: tuple[str, ...] = ()


class Result(NamedTuple):
    """Holds what one commit has done in a case: a figure for each run, and the plan that it has printed at last."""

    used: list[Used]
    plan: dict[str, Any]
    broken: list[str]

    @property
    def cpu(self) -> float:
        return median(run.cpu for run in self.used)

    @property
    def memory(self) -> float:
        return median(run.memory for run in self.used)


class Bench:
    """Runs cases with both commits, each case only once."""

    def __init__(self, folder: Path, old: Path, runs: int, nodes: int) -> None:
        self.nodes = nodes
        self._folder = folder
        self._trees = {"old": old, "new": TREE}
        self._runs = runs
        self._results: dict[Case, dict[str, Result]] = {}

    def both(self, case: Case) -> Mapping[str, Result]:
        """Returns the results of both commits, by `old` and `new`."""
        if case not in self._results:
            self._results[case] = self._measured(case)
        return self._results[case]

    def _measured(self, case: Case) -> dict[str, Result]:
        folder = self._folder / f"case-{len(self._results)}"
        folder.mkdir()
        dump, printed = folder / "bench.json", {side: folder / f"{side}.plan" for side in self._trees}
        write_dump(dump, make(case.shape, case.nodes))
        commands = {}
        for side, tree in self._trees.items():
            home = folder / side
            subprocess.run(self._fleet(home, "init"), env=_environ(tree), check=True, capture_output=True)
            write_policy(home, case.limit)
            options = ("--pool", "workers", "--to", NEW.version, "--from-dump", str(dump), "--output", "json")
            commands[side] = self._fleet(home, "plan", *options, *case.options)
        used: dict[str, list[Used]] = {side: [] for side in self._trees}
        for _ in range(self._runs):
            for side, tree in self._trees.items():
                used[side].append(used_by(commands[side], environ=_environ(tree), output=printed[side]))
        fleet = read_dump(dump)
        plans = {side: msgspec.json.decode(path.read_bytes()) for side, path in printed.items()}
        return {
            side: Result(used[side], plans[side], broken(plans[side], fleet, case.limit)) for side in used
        }

    def read(self, *command: str) -> Mapping[str, float]:
        """Returns the CPU seconds of a command, by `old` and `new`, each on a home with the journal of an ended rollout.
        Each commit writes its own home, by its own `bench/status.py`."""
        homes = {side: self._folder / f"journal-{side}" for side in self._trees}
        for side, tree in self._trees.items():
            if not homes[side].exists():
                code = MAKE_HOME.format(CLUSTERS, NODES_OF_EACH)
                making = [sys.executable, "-P", "-c", code, str(homes[side])]
                subprocess.run(making, env=_environ(tree), check=True, capture_output=True)
        used: dict[str, list[float]] = {side: [] for side in self._trees}
        for _ in range(self._runs):
            for side, tree in self._trees.items():
                used[side].append(used_by(self._fleet(homes[side], *command), environ=_environ(tree)).cpu)
        return {side: median(seconds) for side, seconds in used.items()}

    @staticmethod
    def _fleet(home: Path, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "fleet.cli", "--home", str(home), *arguments]


def large(bench: Bench, times: int = 1) -> Case:
    """Returns the case of most rows: ten pods a node, and a budget for every 33 pods."""
    return Case("small", bench.nodes * times, 200)


def cpu(bench: Bench) -> Row:
    return _compared(bench, large(bench), f"plan, {bench.nodes:,} nodes, limit 200: CPU s", 0.25)


def memory(bench: Bench) -> Row:
    both = bench.both(large(bench))
    old, new = both["old"].memory, both["new"].memory
    return Row("the same: peak memory MB", old, new, new / old, 0.6, _judged(both))


def growth(bench: Bench) -> Row:
    """Compares three times as many nodes with this number, this commit alone."""
    once, thrice = bench.both(large(bench)), bench.both(large(bench, 3))
    what = f"{bench.nodes * 3:,} nodes over {bench.nodes:,}: CPU"
    before, after = (thrice[side].cpu / once[side].cpu for side in ("old", "new"))
    return Row(what, before, after, after, 3.1, _judged(thrice))


def what_if(bench: Bench) -> Row:
    case = large(bench)._replace(options=("--what-if",))
    return _compared(bench, case, "the same, --what-if: CPU s", 0.2)


def makespan(bench: Bench) -> Row:
    both = bench.both(Case("small", 3000, 500))
    bound = both["new"].plan["lower_bound_seconds"]
    old, new = (both[side].plan["makespan_seconds"] / bound for side in ("old", "new"))
    return Row("makespan over bound, small, 3,000, limit 500", old, new, new, 1.2, _judged(both))


def evictions(bench: Bench) -> Row:
    cases = [bench.both(Case(shape, 300, None)) for shape in ("small", "tight", "skewed")]
    old, new = (
        max(both[side].plan["evictions"] / both[side].plan["pods"] for both in cases)
        for side in ("old", "new")
    )
    judged = [_judged(both) for both in cases]
    return Row(
        "evictions a pod, 300 nodes, no limit, most",
        old,
        new,
        new,
        1.15,
        (sum(count for count, _ in judged), sum(count for _, count in judged)),
    )


def start(bench: Bench) -> Row:
    return _compared(bench, Case("small", 60, 10), "plan, 60 nodes: CPU s", 0.7)


def status(bench: Bench) -> Row:
    entries = CLUSTERS * NODES_OF_EACH * len(WAY)
    cpu = bench.read("rollout", "status")
    what = f"rollout status, {entries:,} entries: CPU s"
    return Row(what, cpu["old"], cpu["new"], cpu["new"] / cpu["old"], 0.3, None)


ROWS: Mapping[str, Callable[[Bench], Row]] = {
    "cpu": cpu,
    "memory": memory,
    "growth": growth,
    "what-if": what_if,
    "makespan": makespan,
    "evictions": evictions,
    "start": start,
    "status": status,
}


def _compared(bench: Bench, case: Case, what: str, aim: float) -> Row:
    both = bench.both(case)
    old, new = both["old"].cpu, both["new"].cpu
    return Row(what, old, new, new / old, aim, _judged(both))


def _judged(both: Mapping[str, Result]) -> tuple[int, int]:
    for side, result in both.items():
        for text in result.broken[:5]:
            print(f"  {side}: {text}", flush=True)
    return len(both["old"].broken), len(both["new"].broken)


def _environ(tree: Path) -> dict[str, str]:
    """Returns an environment in which `fleet` is imported from that tree."""
    return {**os.environ, "PYTHONPATH": str(tree)}


def extract(commit: str, to: Path) -> None:
    """Takes the commit's package out of this repository, with its bytecode, as an installation has it, and its benchmarks.
    Raises RuntimeError if Python would import `fleet` from elsewhere."""
    archive = subprocess.run(
        ["git", "archive", commit, "fleet", "bench"], cwd=TREE, check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(to, filter="data")
    for tree in (to, TREE):
        asked = [sys.executable, "-P", "-c", "import fleet; print(fleet.__file__)"]
        found = subprocess.run(asked, env=_environ(tree), check=True, capture_output=True, text=True).stdout
        if Path(found.strip()).parent.parent != tree:
            raise RuntimeError(f"expected fleet from {tree}, found {found.strip()}")
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree / "fleet")], check=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.plan", description=__doc__.splitlines()[0])
    parser.add_argument("--beside", default=BESIDE, metavar="COMMIT")
    parser.add_argument("--runs", type=int, default=3, help="of each command, in turns")
    parser.add_argument("--nodes", type=int, default=10000, help="of the large fleet")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--json", type=Path, help="write the rows there too")
    parser.add_argument(
        "--at-most", type=float, metavar="RATIO", help="exit with 1 if the ratio of a row is above"
    )
    chosen = parser.parse_args(arguments)
    print(f"{machine()}, {os.cpu_count()} processors, Python {python_version()}; OLD is {chosen.beside}")
    print(_line(HEAD))
    rows = []
    with TemporaryDirectory() as folder:
        old = Path(folder) / "tree"
        extract(chosen.beside, old)
        bench = Bench(Path(folder), old, chosen.runs, chosen.nodes)
        for name in chosen.rows:
            rows.append(ROWS[name](bench))
            print(f"{_line(_cells(rows[-1]))}  load {getloadavg()[0]:.1f}", flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))
    above = [row for row in rows if chosen.at_most is not None and row.ratio > chosen.at_most]
    if above:
        sys.exit(
            "\n".join(f"{row.what}: the ratio is {row.ratio:.2f}, above {chosen.at_most}" for row in above)
        )


def _cells(row: Row) -> Sequence[str]:
    judged = "-" if row.broken is None else f"{row.broken[0]}, {row.broken[1]}"
    return (row.what, f"{row.old:.2f}", f"{row.new:.2f}", f"{row.ratio:.2f}", f"{row.aim:.2f}", judged)


def _line(cells: Sequence[str]) -> str:
    first, *others = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )
    return "".join((first, *others))


if __name__ == "__main__":
    main()
