"""A rollout over 300 hosts by real ssh connections, 30 of them hostile, three of each kind that `tests/hostile_ssh.py` has.

    python -m tests.soak.hostile [--hosts 300] [--hostile 30]

It proves that the controller goes on to the end, that every other host is upgraded and reboots once, and that each hostile
one says why it is not. It tells how much memory that took, and for how long the event loop was ever kept from its work.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import yaml

from fleet.app.wiring.sources.hosts import guarded_hosts
from fleet.core.objects.node import NodeRef
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.records.journal import JournalRecord
from fleet.core.releases.release import Stream
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import Step
from fleet.drivers.controller import Controller
from fleet.drivers.pipeline import ClusterPipeline
from fleet.hosts.cluster import HostsCluster
from fleet.hosts.supervisor import ProbeIntervals
from fleet.hosts.watch import Rhythm
from fleet.machines.agent.agent import AgentIntervals
from fleet.machines.host import CommandResult, LostError
from fleet.simulated.clock import SimulatedClock
from fleet.store import ClusterRow, Store
from tests.hostile import ANSWERS
from tests.hostile_ssh import KINDS, Answers, hosts
from tests.programs.hosts.boxes import NEW, OLD, Box

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SPEED = 5.0
PATIENCE = 3600.0
"""Seconds; by then every host that is well is upgraded."""
AFTER = 30.0
"""Seconds for which it goes on beside the hostile ones alone."""
RHYTHM = Rhythm(
    AgentIntervals(progress=1.0, retry=1.0, retry_most=10.0, looks=(5.0,)),
    ProbeIntervals(idle=20.0, busy=1.0),
)


def kinds(count: int, hostile: int) -> list[str]:
    """Spread over all of them."""
    every = max(1, count // max(1, hostile))
    return [
        KINDS[index // every % len(KINDS)] if index % every == every - 1 and index // every < hostile else ""
        for index in range(count)
    ]


def answers_of(box: Box) -> Answers:
    def answer(argv: Sequence[str]) -> CommandResult | None:
        message = argv[3:] if argv[:3] == ["sudo", "-n", "--"] else argv
        try:
            return asyncio.run(box.run(message))
        except LostError:
            return None

    return answer


def serve(found: Sequence[str], folder: Path, reported: Connection) -> None:
    """Runs the hosts in a process of its own until no connection is left. Returns how often each has booted."""
    boxes = [Box(f"n-{index}") for index in range(len(found))]
    with hosts(folder, found, [answers_of(box) for box in boxes], list(ANSWERS.values())) as config:
        reported.send(str(config))
        with suppress(EOFError):
            while reported.recv() == "boots":
                reported.send({box.name: box.boots - 1 for box in boxes})


async def _lag(worst: list[float]) -> None:
    """Notes for how long the event loop was kept from this task."""
    while True:
        begun = time.monotonic()
        await asyncio.sleep(0.05)
        worst[0] = max(worst[0], time.monotonic() - begun - 0.05)


class Soak:
    def __init__(self, folder: Path, config: str, found: Sequence[str]) -> None:
        self._folder = folder
        self._hostile = {f"n-{index}": kind for index, kind in enumerate(found) if kind}
        self._inventory = folder / "hosts.yaml"
        names = [f"n-{index}" for index in range(len(found))]
        written = {
            "ssh": {"config": config, "parallel": 32},
            "defaults": {"labels": {"pool": "shop"}},
            "hosts": [{"name": name} for name in names],
        }
        self._inventory.write_text(yaml.safe_dump(written))
        self._store = Store.open(folder / "fleet.db")
        self._store.clusters.add(ClusterRow(name="shop", sites=("fra",), kind="hosts"))
        self._clock = SimulatedClock(BEGAN, SPEED)
        out = len(self._hostile) + max(1, len(found) // 15)
        pool = Pool(
            "shop", Selector({"pool": "shop"}), stream="stable", limits=Limits(Amount(out)), canaries=1
        )
        self._policy = Policy((pool,), (Stream("stable", (OLD, NEW)),))
        goals = tuple(
            Goal(NodeRef("shop", name), f"id-{name}", "shop", canary=name == "n-0") for name in names
        )
        start = msgspec.to_builtins(Start("p-1", NEW, self._policy, goals))
        self._store.journal.append(
            [JournalRecord(form="command", kind="start", rollout="r-1", detail=start)],
            at=BEGAN,
            actor="ada@desk",
        )

    def run(self) -> dict[str, Any]:
        return asyncio.run(self._run())

    async def _run(self) -> dict[str, Any]:
        wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time
        self._clock.run()
        controller = Controller(
            self._store, self._connect, lambda: {"shop": "fra"}, self._clock, lambda: wall, print
        )
        work = asyncio.create_task(controller.run())
        worst = [0.0]
        lag = asyncio.create_task(_lag(worst))
        begun = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                while (left := self._left()) and not work.done():
                    print(f"{time.monotonic() - begun:6.0f} s  {left} to go", flush=True)
                    await asyncio.sleep(10)
            took = time.monotonic() - begun
            await asyncio.wait({work}, timeout=AFTER)
            if work.done():
                work.result()
            return {"seconds": took, "lag": worst[0], "why": self._why()}
        finally:
            for task in (work, lag):
                task.cancel()
            await asyncio.gather(work, lag, return_exceptions=True)

    async def _connect(self) -> Mapping[str, ClusterPipeline]:
        cluster = HostsCluster("shop", self._inventory, self._folder / "records", rhythm=RHYTHM)
        return {"shop": guarded_hosts(cluster, "fra", self._policy, self._clock)}

    def _steps(self) -> dict[str, tuple[Step, str]]:
        runs = rollouts_of(self._store.journal.entries())["r-1"].runs
        return {ref.name: (run.step, run.why) for ref, run in runs.items()}

    def _left(self) -> int:
        """Healthy hosts that are not upgraded yet."""
        return sum(
            step is not Step.DONE for name, (step, _) in self._steps().items() if name not in self._hostile
        )

    def _why(self) -> dict[str, str]:
        """What a user is told of each hostile host; empty: nothing."""
        board = {NodeRef.parse(node).name: row.held for node, row in self._store.held.of("r-1").items()}
        return {
            f"{name} ({kind})": self._steps()[name][1]
            or "; ".join(each.message for each in board.get(name, ()))
            for name, kind in self._hostile.items()
        }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=300)
    parser.add_argument("--hostile", type=int, default=30)
    asked = parser.parse_args()
    found = kinds(asked.hosts, asked.hostile)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        servers = multiprocessing.get_context("spawn").Process(target=serve, args=(found, at, theirs))
        servers.start()
        # Else nobody would hear it when they die.
        theirs.close()
        try:
            reported = Soak(at, ours.recv(), found).run()
            ours.send("boots")
            boots = ours.recv()
        finally:
            ours.close()
            servers.join()
    hostile = {f"n-{index}" for index, kind in enumerate(found) if kind}
    for name, why in reported["why"].items():
        print(f"{name}: {why[:160]}")
    wrong = [
        f"{name} has booted {count} times" for name, count in boots.items() if count != (name not in hostile)
    ]
    wrong += [f"{name} is not upgraded and says not why" for name, why in reported["why"].items() if not why]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"\n{asked.hosts} hosts, {asked.hostile} of them hostile: {reported['seconds']:.0f} s, {memory} MiB at most, "
    )
    print(f"the event loop was kept waiting for {reported['lag']:.1f} s at most")
    print(
        "\n".join(wrong)
        or "every host that is well was upgraded and has booted once; every other one says why not"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
