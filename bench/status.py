"""Measures `fleet status` of a large fleet, the start of the process included, beside the start of Python itself and a
bare read of the same rows from the database.

    python -m bench.status [--clusters N] [--nodes N] [--runs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.fleets import NEW, OLD, START, make, policy
from bench.memory import Used, used_by
from fleet.app.wiring.home import DATABASE, Home
from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.steps import Step, StepResult
from fleet.drivers.journal.checkpoints import keep
from fleet.store import ClusterRow

SITES = 7
POLICY = f"""\
streams:
  - name: stable
    releases:
      - {{version: {OLD.version}, digest: "sha256:{"1" * 64}"}}
      - {{version: {NEW.version}, digest: "sha256:{"2" * 64}"}}
pools:
  - {{name: workers, selector: {{}}, stream: stable}}
"""
ROWS = "import sqlite3; list(sqlite3.connect({!r}).execute('SELECT * FROM node'))"
HEAD = ("WHAT", "CPU", "WALL", "LEAST", "MEMORY")
"""CPU and WALL: median seconds of the runs. LEAST: the minimum of WALL. MEMORY: peak in MB."""


BRANCHES = 50


def an_advisory(path: Path, published: datetime | None = None) -> Path:
    """Writes a CVE record of the kernel with as many fixed branches as any had so far."""
    versions: list[dict[str, str]] = [{"version": "2.6.12", "status": "affected"}]
    versions += [
        {
            "version": f"{5 + n // 20}.{n % 20}.77",
            "lessThanOrEqual": f"{5 + n // 20}.{n % 20}.*",
            "status": "unaffected",
        }
        for n in range(BRANCHES)
    ]
    affected = {"vendor": "Linux", "product": "Linux", "defaultStatus": "affected", "versions": versions}
    metadata = {"cveId": "CVE-2026-10001", "state": "PUBLISHED"}
    if published is not None:
        metadata["datePublished"] = published.isoformat()
    record = {
        "cveMetadata": metadata,
        "containers": {"cna": {"title": "kernel: bench", "affected": [affected]}},
    }
    path.write_bytes(msgspec.json.encode(record))
    return path


class Row(Struct, frozen=True):
    what: str
    cpu: float
    wall: float
    least: float
    memory: float


WAY = (
    *(
        (StepResult.BEGIN, Step.STAGE),
        (StepResult.DONE, Step.STAGED),
        (StepResult.BEGIN, Step.CORDON),
        (StepResult.DONE, Step.DRAIN),
    ),
    *(
        (StepResult.DONE, Step.REBOOT),
        (StepResult.DONE, Step.VERIFY),
        (StepResult.DONE, Step.UNCORDON),
        (StepResult.DONE, Step.SOAK),
    ),
    (StepResult.DONE, Step.DONE),
)


def a_home(path: Path, clusters: int, nodes: int) -> Home:
    """Returns a home with clusters of `nodes` nodes each, all synced once, and a rollout over them in the journal."""
    home = Home(path)
    path.mkdir()
    home.policy_file.write_text(POLICY)
    store = home.make()
    snapshot = make("small", nodes)
    for number in range(clusters):
        name, site = f"c-{number:02}", f"site-{number % SITES}"
        store.clusters.add(ClusterRow(name=name, sites=(site,), kind="kubeconfig", kubeconfig="/none"))
        store.inventory.sync(replace(snapshot, cluster=name, site=site), at=START, source="bench")
        store.clusters.touch(name, at=START, version=snapshot.server_version)
    goals = tuple(
        Goal(NodeRef(row.name, node.name), node.uid, "workers", row.sites[0])
        for row in store.clusters.list()
        for node in snapshot.nodes
    )
    append = partial(store.journal.append, at=START, actor="bench")
    begin = msgspec.to_builtins(Start("p-1", NEW, policy(100), goals))
    append([JournalRecord(form="command", kind="start", rollout="r-1", detail=begin)])
    for turn, to in WAY:
        detail = {"turn": str(turn), "to": str(to)}
        append(
            [
                JournalRecord(form="decision", kind="step", rollout="r-1", node=str(goal.node), detail=detail)
                for goal in goals
            ]
        )
    append([JournalRecord(form="decision", kind="finish", rollout="r-1")])
    keep(store.journal, store.folds, START, "bench")
    return home


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.status", description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=500, help="of each cluster")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    measured: list[Row] = []
    print(_line(HEAD))
    with TemporaryDirectory() as folder:
        home = a_home(Path(folder) / "home", chosen.clusters, chosen.nodes)
        advisory = str(an_advisory(Path(folder) / "advisory.json"))
        fleet = [sys.executable, "-m", "fleet.cli", "--home", str(home.path)]
        for label, command in (
            ("fleet status", [*fleet, "status"]),
            ("fleet status --output json", [*fleet, "status", "--output", "json"]),
            (f"fleet exposure, {BRANCHES} ranges", [*fleet, "exposure", "--advisory", advisory]),
            ("fleet drift", [*fleet, "drift"]),
            ("fleet --help", [*fleet, "--help"]),
            ("python, and its rows alone", [sys.executable, "-c", ROWS.format(str(home.path / DATABASE))]),
            ("python, nothing", [sys.executable, "-c", "pass"]),
        ):
            measured.append(_row(label, [used_by(command) for _ in range(chosen.runs)]))
            print(_line(_cells(measured[-1])), flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1))


def _row(label: str, runs: Sequence[Used]) -> Row:
    walls = [run.wall for run in runs]
    return Row(
        label, median(run.cpu for run in runs), median(walls), min(walls), max(run.memory for run in runs)
    )


def _cells(row: Row) -> Sequence[str]:
    return (row.what, f"{row.cpu:.2f}", f"{row.wall:.2f}", f"{row.least:.2f}", f"{row.memory:.0f}")


def _line(cells: Sequence[str]) -> str:
    return "  ".join((cells[0].ljust(28), *(cell.rjust(7) for cell in cells[1:])))


if __name__ == "__main__":
    main()
