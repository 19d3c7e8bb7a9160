"""Measures every question of docs/questions.md on a fleet of 10,000 nodes with two years of weekly upgrades, the start of
the process included.

    python -m bench.questions [--clusters N] [--nodes N] [--weeks N] [--runs N] [--home FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.fleets import START
from bench.history import WEEK, fill
from bench.memory import used_by
from bench.rows import HEAD, Row, line, row_of, shown
from bench.status import BRANCHES, a_home, an_advisory
from fleet.app.wiring.home import Home

METRICS = (
    "from fleet.app.monitoring.collect import collect; from fleet.app.monitoring.exposition import exposition; "
    "from fleet.app.wiring.home import Home; from pathlib import Path; "
    "exposition(collect(Home(Path({!r}))), '')"
)
"""A program that makes the answer of `/metrics`; a controller that serves it has done the imports before."""


def questions(home: Home, advisory: Path, weeks: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields what is asked, and the command line that asks it."""
    fleet = [sys.executable, "-m", "fleet.cli", "--home", str(home.path)]
    middle = START - weeks * WEEK / 2
    day, later = f"{middle:%Y-%m-%d}", f"{middle + 4 * WEEK:%Y-%m-%d}"
    yield "status", [*fleet, "status"]
    yield "status --at", [*fleet, "status", "--at", day]
    yield "diff of four weeks", [*fleet, "diff", "--from", day, "--to", later]
    yield "node history", [*fleet, "node", "history", "c-00/n-00001"]
    yield "node show --sources", [*fleet, "node", "show", "c-00/n-00001", "--sources"]
    yield "exposure, no node", [*fleet, "exposure", "kernel<2"]
    yield f"exposure, {BRANCHES} ranges", [*fleet, "exposure", "--advisory", str(advisory)]
    yield "exposure --version", [*fleet, "exposure", "--version", "<1"]
    yield "exposure --package", [*fleet, "exposure", "--package", "openssl<3.2.4"]
    yield "exposure --at", [*fleet, "exposure", "kernel<2", "--at", day]
    yield "drift", [*fleet, "drift"]
    yield "orphans", [*fleet, "orphans"]
    yield "releases", [*fleet, "releases"]
    yield "metrics", [sys.executable, "-c", METRICS.format(str(home.path))]
    yield "exposure, all of two years", [*fleet, "exposure", "kernel<99"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.questions", description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=500, help="of each cluster")
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--home", type=Path, help="a home that was filled before, or where it is kept")
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        path: Path = chosen.home or Path(folder) / "home"
        if path.exists():
            home = Home(path)
        else:
            home = a_home(path, chosen.clusters, chosen.nodes)
            fill(home, chosen.weeks)
        advisory = an_advisory(Path(folder) / "advisory.json", START - timedelta(days=14))
        print(line(HEAD))
        rows: list[Row] = []
        for what, command in questions(home, advisory, chosen.weeks):
            rows.append(row_of(what, [used_by(command) for _ in range(chosen.runs)]))
            print(shown(rows[-1]), flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))


if __name__ == "__main__":
    main()
