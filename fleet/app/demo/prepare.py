"""Creates a home with a simulated fleet, for users to try commands on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from fleet.app.audit.keys import COPIES, FOLDER
from fleet.app.wiring.home import DATABASE, Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.records.errors import UsageError
from fleet.simulated import demo
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import create
from fleet.simulated.demo import SPEED, DemoCluster, demo_fleet
from fleet.simulated.quarter import fleet as quarter
from fleet.simulated.quarter import policy as quarter_policy
from fleet.simulated.quarter.releases import FIRST, feed
from fleet.store import ClusterRow

REPORT = "report.html"
PRINTED = "report.pdf"
REPORTS = "reports"
"""The folder with the reports that the controller writes."""
PEOPLE = "people"
"""The folder with the tokens of the quarter's users."""
ACCESS_KEY = "access-key.pem"
OURS = (
    "fleet.yaml",
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    "controller.log",
    REPORT,
    PRINTED,
    quarter_policy.FEED,
    quarter_policy.CALENDAR,
    quarter_policy.TOKEN_KEY,
    ACCESS_KEY,
)
"""The files that a demo leaves in its folder, beside `simulated` and the tokens."""


class DemoScenario(NamedTuple):
    """A simulated fleet as it is when its demo begins."""

    policy: str
    files: Mapping[str, str]
    """The files beside the policy, by name."""
    clusters: Sequence[DemoCluster]
    began: datetime
    seed: int


def one_hour() -> DemoScenario:
    """Returns the scenario of one rollout."""
    return DemoScenario(demo.POLICY, {}, demo_fleet(), demo.BEGAN, demo.SEED)


def a_quarter(scale: float = 1.0) -> DemoScenario:
    """Returns the scenario of a quarter. `scale`: the share of the workers that there are."""
    files = {quarter_policy.FEED: feed([FIRST]), quarter_policy.CALENDAR: quarter_policy.FREEZES}
    return DemoScenario(
        quarter_policy.POLICY, files, quarter.quarter_fleet(scale), quarter.BEGIN, quarter.SEED
    )


def prepare(folder: Path, speed: float = SPEED, scenario: DemoScenario | None = None) -> Home:
    """Makes a home with a simulated fleet; without `scenario` that of one rollout. Raises UsageError for a folder that
    holds anything but an earlier demo, or an earlier demo whose policy was edited."""
    begins = scenario or one_hour()
    home = Home(folder.absolute())
    if folder.exists() and any(folder.iterdir()):
        _refuse_other_content(folder, home)
        _remove_earlier(home)
    home.simulated.mkdir(parents=True)
    home.policy_file.write_text(begins.policy, encoding="utf-8")
    for name, content in begins.files.items():
        (home.path / name).write_text(content, encoding="utf-8")
    SimulatedClock(begins.began, speed, home.simulated / CLOCK).save()
    store = home.make()
    for number, cluster in enumerate(begins.clusters):
        path = home.simulated / f"{cluster.name}.json"
        seed = begins.seed + number
        create(path, cluster.snapshot, cluster.behaviour, seed, begins.began, cluster.unreachable)
        store.clusters.add(ClusterRow(name=cluster.name, sites=(cluster.site,), kind="simulated"))
        if cluster.unreachable:
            store.inventory.sync(cluster.snapshot, at=begins.began, source="demo")
    return home


def _refuse_other_content(folder: Path, home: Home) -> None:
    if not (home.simulated / CLOCK).is_file():
        raise UsageError(
            f"{folder} is not empty and has no demo in it", "choose another folder with fleet demo FOLDER"
        )
    known = {text.encode() for text in (demo.POLICY, quarter_policy.POLICY)}
    if home.policy_file.exists() and home.policy_file.read_bytes() not in known:
        raise UsageError(
            f"{home.policy_file} was changed since the demo wrote it",
            "choose another folder with fleet demo FOLDER, or move that file away",
        )


def _remove_earlier(home: Home) -> None:
    """Removes the earlier demo, and nothing else in the folder."""
    for name in (home.simulated.name, PEOPLE, REPORTS):
        if (home.path / name).is_dir():
            shutil.rmtree(home.path / name)
    for name in OURS:
        (home.path / name).unlink(missing_ok=True)
    # The copies of checkpoints are of the journal that is deleted; the key stays.
    (home.path / FOLDER / COPIES).unlink(missing_ok=True)
