"""A rollout that an older fleet has begun: its database, as that version left it when it was killed, is migrated, and the
rollout goes on.

`recorded/` was written by the commit before migration 0008, by a controller that was killed when two nodes of four were
done, one rebooted, and one had an eviction under way: the database, and the simulated cluster with what was sent to it last.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.action import Evict
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import Step
from fleet.drivers.controller import Controller
from fleet.drivers.pipeline import ClusterPipeline
from fleet.lab.simulation.builders import START
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import SimulatedCluster, snapshot_of
from fleet.store import Store
from fleet.store.db.schema import NEWEST, VERSION_TABLE
from tests.store.raw import rows

RECORDED = Path(__file__).parent / "recorded"
SPEED = 300.0
SECONDS = 60.0


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Returns the folder as the older fleet left it."""
    for name in ("east.json", "east.actions"):
        shutil.copy(RECORDED / name, tmp_path)
    with closing(sqlite3.connect(tmp_path / "fleet.db")) as database:
        database.executescript((RECORDED / "mid_rollout_0007.sql").read_text())
    return tmp_path


def test_rollout_of_an_older_database_goes_on_where_it_was_and_nothing_happens_twice(left: Path) -> None:
    place = str(left / "fleet.db")
    before = rows(place, "SELECT seq, hash FROM journal ORDER BY seq")
    assert rows(place, f"SELECT version_num FROM {VERSION_TABLE}") == [("0007",)]
    booted = {node.name: node.boot_id for node in snapshot_of(left / "east.json").nodes}
    with Store.open(place) as store:
        assert rows(place, f"SELECT version_num FROM {VERSION_TABLE}") == [(NEWEST,)]
        taken_up = rollouts_of(store.journal.entries())["r-1"]
        steps = Counter(run.step for run in taken_up.runs.values())
        assert steps == {Step.DONE: 2, Step.REBOOT: 1, Step.DRAIN: 1}
        assert [type(action) for action in taken_up.intents.values()] == [Evict]
        done = {run.node for run in taken_up.runs.values() if run.step is Step.DONE}
        asyncio.run(asyncio.wait_for(controller(store, left).run(until_idle=True), SECONDS))
        ended = rollouts_of(store.journal.entries())["r-1"]
        assert {run.step for run in ended.runs.values()} == {Step.DONE} and not ended.intents
        assert store.journal.verify() == []
        after = {node.name: node.boot_id for node in snapshot_of(left / "east.json").nodes}
        unchanged = {NodeRef("east", name) for name, boot in after.items() if boot == booted[name]}
        assert unchanged == done, "they have rebooted before"
        reboots = Counter(
            entry.record.node
            for entry in store.journal.entries()
            if (entry.record.form, entry.record.kind) == ("intent", "reboot")
        )
        assert set(reboots.values()) == {1} and len(reboots) == 4
    assert rows(place, "SELECT seq, hash FROM journal ORDER BY seq")[: len(before)] == before


def controller(store: Store, folder: Path) -> Controller:
    clock = SimulatedClock(START, SPEED)
    clock.run()

    async def connect() -> Mapping[str, ClusterPipeline]:
        return {"east": ClusterPipeline(SimulatedCluster(folder / "east.json", clock))}

    wall = datetime.now(UTC)  # noqa: TID251 - leases are of the wall's time
    return Controller(store, connect, lambda: {"east": "fra"}, clock, lambda: wall, print)
