"""Creates a home with a simulated fleet, for users to try commands on."""

from __future__ import annotations

import shutil
from pathlib import Path

from fleet.app.audit.keys import COPIES, FOLDER
from fleet.app.wiring.home import DATABASE, Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.records.errors import UsageError
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import create
from fleet.simulated.demo import BEGAN, POLICY, SEED, SPEED, demo_fleet
from fleet.store import ClusterRow

OURS = ("fleet.yaml", DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "controller.log", "report.html")
"""The files that a demo leaves in its folder, beside `simulated`."""


def prepare(folder: Path, speed: float = SPEED) -> Home:
    """Makes a home with a simulated fleet. Raises UsageError for a folder that holds anything but an earlier demo, or
    an earlier demo whose policy was edited."""
    home = Home(folder.absolute())
    if folder.exists() and any(folder.iterdir()):
        if not (home.simulated / CLOCK).is_file():
            raise UsageError(
                f"{folder} is not empty and has no demo in it", "choose another folder with fleet demo FOLDER"
            )
        if home.policy_file.exists() and home.policy_file.read_bytes() != POLICY.encode():
            raise UsageError(
                f"{home.policy_file} was changed since the demo wrote it",
                "choose another folder with fleet demo FOLDER, or move that file away",
            )
        _remove_earlier(home)
    home.simulated.mkdir(parents=True)
    home.policy_file.write_text(POLICY, encoding="utf-8")
    SimulatedClock(BEGAN, speed, home.simulated / CLOCK).save()
    store = home.make()
    for number, cluster in enumerate(demo_fleet()):
        path = home.simulated / f"{cluster.name}.json"
        create(path, cluster.snapshot, cluster.behaviour, SEED + number, BEGAN, cluster.unreachable)
        store.clusters.add(ClusterRow(name=cluster.name, sites=(cluster.site,), kind="simulated"))
        if cluster.unreachable:
            store.inventory.sync(cluster.snapshot, at=BEGAN, source="demo")
    return home


def _remove_earlier(home: Home) -> None:
    """Removes the earlier demo, and nothing else in the folder."""
    shutil.rmtree(home.simulated)
    for name in OURS:
        (home.path / name).unlink(missing_ok=True)
    # The copies of checkpoints are of the journal that is deleted; the key stays.
    (home.path / FOLDER / COPIES).unlink(missing_ok=True)
