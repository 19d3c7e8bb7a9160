"""A freeze that is typed into the policy reaches the rollouts that are under way; one that is taken out lets them go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from fleet.app.planning.plans import plan
from fleet.app.rollouts.policy import PolicyFollower
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.core.records.errors import StaleEpochError
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import FreezesChanged
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.ports import ClustersChanged
from fleet.lab.simulation.builders import NEW, START
from tests.unit.app.homes import POLICY, a_home
from tests.unit.app.test_approvals import fresh_of
from tests.unit.app.test_calendar_job import EMPTY, frozen

NIGHT = f"freezes: [{{name: night call, from: {START.date()}, until: 2026-12-24, zone: UTC}}]\n"
BOARD = "freezes: [{name: board, calendar: board.ics}]\n"


def a_rollout(folder: Path, policy: str = "", override: str | None = None) -> Home:
    home = a_home(folder, policy=POLICY + policy)
    start(home, plan(home, ["workers"], NEW.version), fresh_of(home), override=override)
    return home


def write(home: Home, freezes: str) -> None:
    home.policy_file.write_text(POLICY + freezes)


def look(home: Home, follower: PolicyFollower | None = None, epoch: int = 0) -> None:
    (follower or PolicyFollower(home)).look(Rollouts.load(home.store).all, "controller-1", epoch)


def journaled(home: Home) -> list[FreezesChanged]:
    found = [from_record(entry.record) for entry in home.store.journal.entries(kinds=["freezes"])]
    return [record for record in found if isinstance(record, FreezesChanged)]


def is_held(home: Home) -> bool:
    rollout = Rollouts.load(home.store).named("r-1")
    return rollout.schedule(next(iter(rollout.runs.values()))).held(START, timedelta()) is not None


def test_freeze_holds_the_rollout_and_the_journal_says_what_changed_and_where(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home")
    write(home, NIGHT)
    look(home)
    assert is_held(home)
    (record,) = journaled(home)
    assert record.reason == "added: night call"
    assert record.policy.sha256 == sha256(home.policy_file.read_bytes()).hexdigest()
    entry = home.store.journal.last()
    assert entry is not None and entry.actor == "controller-1"


def test_lifted_freeze_lets_the_rollout_go_on(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", NIGHT)
    assert is_held(home)
    write(home, "")
    look(home)
    assert not is_held(home)
    assert [record.reason for record in journaled(home)] == ["lifted: night call"]


def test_same_freezes_are_journaled_once_whatever_else_changes(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home")
    follower, rollouts = PolicyFollower(home), Rollouts.load(home.store).all
    write(home, NIGHT)
    for _ in range(2):  # The controller has not read the first record yet.
        follower.look(rollouts, "controller-1", 0)
    write(home, NIGHT + "# a comment\n")
    look(home, follower)
    assert len(journaled(home)) == 1


def test_mistake_or_a_file_that_is_gone_leaves_the_freezes_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = a_rollout(tmp_path / "home", NIGHT)
    follower = PolicyFollower(home)
    home.policy_file.write_text("freezes: nonsense")
    look(home, follower)
    look(home, follower)
    assert len(caplog.records) == 1
    home.policy_file.unlink()
    look(home, follower)
    assert is_held(home) and not journaled(home)


def test_rollout_begins_with_the_freezes_of_now(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    made = plan(home, ["workers"], NEW.version)
    write(home, NIGHT)
    notes = start(home, made, fresh_of(home)).notes
    assert is_held(home) and not [note for note in notes if "has changed since the plan" in note]


def test_rollout_that_overrides_freezes_hears_of_none(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", override="CVE-2026-1234")
    write(home, NIGHT)
    look(home)
    assert not is_held(home) and not journaled(home)


def test_calendar_that_is_added_holds_by_its_events(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home")
    (home.path / "board.ics").write_text(frozen(2))
    write(home, BOARD)
    look(home)
    assert is_held(home)
    (home.path / "board.ics").write_text(EMPTY)
    look(home)
    assert is_held(home), "its events are read by the job of calendars"
    write(home, "")
    look(home)
    assert not is_held(home)


def test_controller_that_lost_the_lease_changes_no_rollout(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home")
    write(home, NIGHT)
    home.store.lease.acquire("controller-2", at=START, seconds=15, abandoned=lambda holder: True)
    with pytest.raises(StaleEpochError):
        look(home, epoch=7)
    assert not is_held(home)


def test_changed_quorum_group_has_the_clusters_opened_again(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", policy=POLICY + "quorums: [{name: main, cluster: east}]\n")
    follower, opened = PolicyFollower(home), list[tuple[str, ...]]()

    async def open_clusters() -> dict[str, ClusterPipeline]:
        opened.append(tuple(group.name for group in home.policy().quorums))
        return {}

    asyncio.run(follower.connect(open_clusters))
    look(home, follower)
    write(home, NIGHT + "quorums: [{name: main, cluster: east}]\n")
    look(home, follower)
    write(home, "quorums: [{name: other, cluster: east}]\n")
    with pytest.raises(ClustersChanged):
        look(home, follower)
    asyncio.run(follower.connect(open_clusters))
    look(home, follower)
    assert opened == [("main",), ("other",)]
