"""Measures the size of a database: bytes for each present node and pod, for each past one, and for each upgraded node.

    python -m bench.database [--nodes N] [--json FILE]

The sizes are SQLite's own count of pages (dbstat), of tables with their indexes, half-empty pages included. The real
controller carries out a rollout on simulated clusters, in accelerated time.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.fleets import START, make
from fleet.app.planning.plans import plan
from fleet.app.rollouts.run import run
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import DATABASE, Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.cluster.snapshot import Snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import create
from fleet.store import ClusterRow

CLUSTER = "bench"
SPEED = 1000.0
POLICY = """\
streams:
  - name: stable
    releases:
      - {version: "1.0", digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111"}
      - {version: "2.0", digest: "sha256:2222222222222222222222222222222222222222222222222222222222222222"}
pools:
  - {name: workers, selector: {}, stream: stable, limits: {max_unavailable: 20%}, soak: 0s}
"""
SIZES = (
    "SELECT part.tbl_name, SUM(page.pgsize) FROM dbstat AS page JOIN sqlite_schema AS part ON part.name = page.name "
    "GROUP BY part.tbl_name"
)
HISTORY = ("known_node", "node_history", "document")
HEAD = ("WHAT", "COUNT", "BYTES EACH")


class Row(Struct, frozen=True):
    what: str
    count: int
    bytes: float
    """Bytes of one object."""


def sizes(home: Home) -> Mapping[str, int]:
    """Returns the size of each table in bytes."""
    with closing(sqlite3.connect(home.path / DATABASE)) as database:
        return dict(database.execute(SIZES))


def grown(home: Home, tables: Sequence[str], write: Callable[[], object]) -> int:
    """Returns by how many bytes `write` has grown these tables."""
    before = sizes(home)
    write()
    after = sizes(home)
    return sum(after[table] - before[table] for table in tables)


def a_home(path: Path, snapshot: Snapshot) -> Home:
    home = Home(path)
    home.simulated.mkdir(parents=True)
    home.policy_file.write_text(POLICY)
    create(home.simulated / f"{CLUSTER}.json", snapshot, ClusterBehaviour(), 1, START)
    SimulatedClock(START, SPEED, home.simulated / CLOCK).save()
    home.make().clusters.add(ClusterRow(name=CLUSTER, sites=("bench",), kind="simulated"))
    return home


def known(home: Home, snapshot: Snapshot) -> Iterator[Row]:
    """Yields the sizes of present objects. Each kind of object is written separately."""
    empty = replace(snapshot, nodes=(), machines=(), pods=(), budgets=(), workloads=())
    for kind, tables, fields in (
        ("node and its machine", ("node", "machine", *HISTORY), ("nodes", "machines")),
        ("pod", ("pod",), ("pods",)),
        ("workload", ("workload",), ("workloads",)),
        ("budget", ("budget",), ("budgets",)),
    ):
        empty = replace(empty, **{field: getattr(snapshot, field) for field in fields})
        count = len(getattr(snapshot, fields[0]))
        grown_bytes = grown(home, tables, lambda seen=empty: _sync(home, seen, 0))  # type: ignore[misc]
        yield Row(kind, count, grown_bytes / count)


def past(home: Home, snapshot: Snapshot) -> Iterator[Row]:
    """Yields the size of an interval of the past, with a boot of its own."""
    nodes = tuple(replace(node, boot_id=f"{node.boot_id}-b") for node in snapshot.nodes)
    machines = tuple(replace(machine, boot_id=f"{machine.boot_id}-b") for machine in snapshot.machines)
    seen = replace(snapshot, nodes=nodes, machines=machines)
    grown_bytes = grown(home, HISTORY, lambda: _sync(home, seen, 2))
    yield Row("boot or release of a node of the past", len(nodes), grown_bytes / len(nodes))


def upgraded(home: Home) -> Iterator[Row]:
    """Yields the sizes of what a plan and its rollout write."""
    plans = []
    planned = grown(home, ("plan",), lambda: plans.append(plan(home, ["workers"], "")))
    count = len(plans[0].runs)
    yield Row("plan, for each node in it", count, planned / count)
    before, entries = sizes(home), home.store.journal.count()
    start(home, plans[0], lambda clusters: ())
    run(home, lambda line: None, until_idle=True)
    after, written = sizes(home), home.store.journal.count() - entries
    yield Row("entry of the journal", written, (after["journal"] - before["journal"]) / written)
    yield Row("journal, for each node upgraded", count, (after["journal"] - before["journal"]) / count)
    fold_bytes = after["fold"] - before["fold"]
    yield Row("rollout kept beside the journal, for each node", count, fold_bytes / count)


def _sync(home: Home, snapshot: Snapshot, days: int) -> None:
    seen = replace(snapshot, cluster=CLUSTER)
    home.store.inventory.sync(seen, at=START - timedelta(days=10 - days), source="bench")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    snapshot = make("small", chosen.nodes)
    measured: list[Row] = []
    print(_line(HEAD))
    with TemporaryDirectory() as folder:
        inventory = a_home(Path(folder) / "inventory", snapshot)
        rollout = a_home(Path(folder) / "rollout", replace(snapshot, cluster=CLUSTER))
        for rows in (known(inventory, snapshot), past(inventory, snapshot), upgraded(rollout)):
            for row in rows:
                measured.append(row)
                print(_line((row.what, f"{row.count:,}", f"{row.bytes:,.0f}")), flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1))


def _line(cells: Sequence[str]) -> str:
    return "  ".join((cells[0].ljust(48), *(cell.rjust(10) for cell in cells[1:])))


if __name__ == "__main__":
    main()
