"""Measures the report of a quarter: rollouts over a whole fleet, with evictions and proofs, in each form.

    python -m bench.reports [--nodes N] [--rollouts N] [--json FILE]

Every form is made by a command of its own, from the same journal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from bench.memory import used_by
from fleet.app.audit.signing import keygen
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.policy.policy import Policy, Pool
from fleet.core.records.journal import JournalRecord
from fleet.core.releases.release import Release, Stream
from fleet.core.rollout.action import AnyAction, Cordon, Evict, Reboot, Result, Stage, Uncordon
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import RolloutStarted
from fleet.core.rollout.decisions import RolloutFinished, StepFinished
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.record import ActionEnded
from fleet.core.rollout.steps import Step, StepResult

QUARTER, BEGIN = "2026Q1", datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(days=20)
"""The time between two releases."""
PODS = 8
"""The number of pods that are evicted from each node."""
AT_ONCE = 500
"""The number of nodes whose records are appended in one transaction."""
FORMS = ("text", "json", "html", "csv", "markdown", "oscal")
HEAD = ("FORM", "CPU", "WALL", "MEMORY", "SIZE")
"""CPU and WALL: seconds. MEMORY: peak in MB. SIZE: of the file, in MB."""


class Row(Struct, frozen=True):
    form: str
    cpu: float
    wall: float
    memory: float
    size: float


def releases(rollouts: int) -> tuple[Release, ...]:
    return tuple(
        Release(f"44.{number}", f"sha256:{number:064x}", "6.12", released=BEGIN + EVERY * number)
        for number in range(rollouts + 1)
    )


def a_home(path: Path, nodes: int, rollouts: int) -> tuple[Home, int]:
    """Returns a home with these rollouts in its journal, each over all nodes, and the number of entries."""
    home = Home(path)
    path.mkdir()
    stream = Stream("stable", releases(rollouts))
    policy = Policy(pools=(Pool("workers", stream="stable"),), streams=(stream,))
    lines = [
        f"    - {{version: '{each.version}', digest: '{each.digest}', released: '{each.released}'}}"
        for each in stream.releases
    ]
    home.policy_file.write_text(
        "\n".join(
            ["streams:", "- name: stable", "  releases:", *lines, "pools: [{name: workers, stream: stable}]"]
        )
    )
    journal = home.make().journal
    refs = [NodeRef(f"c-{number // 1000:02}", f"n-{number:05}") for number in range(nodes)]
    for number in range(1, rollouts + 1):
        ident, release, at = (
            f"r-{number}",
            stream.releases[number],
            BEGIN + EVERY * number + timedelta(days=2),
        )
        before = stream.releases[number - 1].version
        goals = tuple(Goal(ref, "uid", "workers", "fra", "a", before) for ref in refs)
        start = RolloutStarted(rollout=ident, start=Start("p-1", release, policy, goals))
        journal.append([to_record(start)], at=at, actor="ada@desk")
        for first in range(0, nodes, AT_ONCE):
            at += timedelta(minutes=30)
            batch = [record for ref in refs[first : first + AT_ONCE] for record in a_run(ident, ref, release)]
            journal.append(batch, at=at, actor="fleet@bench")
        journal.append([to_record(RolloutFinished(rollout=ident))], at=at, actor="fleet@bench")
    keygen(home)
    return home, journal.count()


def a_run(rollout: str, ref: NodeRef, release: Release) -> Iterator[JournalRecord]:
    """Yields the records of one run that went well."""

    def step(to: Step, turn: StepResult = StepResult.DONE, **more: object) -> JournalRecord:
        return to_record(StepFinished(rollout=rollout, node=ref, turn=turn, to=to, **more))  # type: ignore[arg-type]

    def done(action: AnyAction) -> Iterator[JournalRecord]:
        yield from (to_record(action), to_record(ActionEnded.of(action, Result.DONE)))

    name = f"{rollout}/{ref}"
    old, new = f"{name}/old", f"{name}/new"
    proof = {
        "boot_id_before": old,
        "boot_id_after": new,
        "version": release.version,
        "digest": release.digest,
    }
    yield step(Step.STAGE, StepResult.BEGIN)
    yield from done(Stage(f"{name}/stage", rollout, ref, "uid", token="t", release=release))
    yield step(Step.STAGED)
    yield step(Step.CORDON, StepResult.BEGIN)
    yield from done(Cordon(f"{name}/cordon", rollout, ref, "uid"))
    yield step(Step.DRAIN)
    for number in range(PODS):
        pod = PodRef("web", f"shop-{number}")
        yield from done(
            Evict(f"{name}/evict/{number}", rollout, ref, "uid", pod=pod, pod_uid=f"{name}/{number}")
        )
    yield step(Step.REBOOT, boot_id=old)
    reboot = Reboot(f"{name}/reboot", rollout, ref, "uid", token="t", release=release, boot_id=old)
    yield from done(reboot)
    yield step(Step.VERIFY)
    yield step(Step.UNCORDON, proof=proof | {"kernel": release.kernel, "ready": "True"})
    yield from done(Uncordon(f"{name}/uncordon", rollout, ref, "uid"))
    yield step(Step.SOAK)
    yield step(Step.DONE)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rollouts", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    measured: list[Row] = []
    with TemporaryDirectory() as folder:
        home, entries = a_home(Path(folder) / "home", chosen.nodes, chosen.rollouts)
        print(f"{entries:,} entries of the journal")
        print(_line(HEAD))
        begin = [sys.executable, "-m", "fleet.cli", "--home", str(home.path), "report", "--fleet"]
        for form in FORMS:
            file = Path(folder) / f"report.{form}"
            used = used_by([*begin, "--quarter", QUARTER, "-o", form, "-f", str(file)])
            measured.append(Row(form, used.cpu, used.wall, used.memory, file.stat().st_size / 1e6))
            print(_line(_cells(measured[-1])), flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1))


def _cells(row: Row) -> Sequence[str]:
    return (row.form, f"{row.cpu:.1f}", f"{row.wall:.1f}", f"{row.memory:.0f}", f"{row.size:.1f}")


def _line(cells: Sequence[str]) -> str:
    return "  ".join((cells[0].ljust(10), *(cell.rjust(8) for cell in cells[1:])))


if __name__ == "__main__":
    main()
