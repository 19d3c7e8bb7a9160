"""On a full disk fleet still reports and names what it could not store; commands that write are refused."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.app.audit import signing, verification
from fleet.app.audit.keys import keys_of
from fleet.app.inventory.sync import sync
from fleet.app.planning.plans import plan
from fleet.app.reporting.report import report, with_evidence
from fleet.app.reporting.status import fleet_status
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.core.records.errors import NoRoomError
from fleet.core.records.journal import JournalRecord
from fleet.system.file_lease import FileLease
from tests.store.disks import fill, small_disk
from tests.unit.app.finished import a_fast_home, carried_out
from tests.unit.app.homes import a_home

PAGE = 4096
"""Bytes that a file is given at once."""


class Full:
    """A home whose database is on a disk of its own, and full."""

    def __init__(self, path: Path, database: str, ballast: Path) -> None:
        self.told: list[str] = []
        self.home = Home(path, database, self.told.append)
        self.ballast = ballast


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 4000) as folder:
        yield folder


def test_plan_is_shown_and_not_stored(disk: Path, tmp_path: Path) -> None:
    database = str(disk / "fleet.db")
    home = a_home(tmp_path / "home", database=database)
    before = plan(home, ["workers"], "")
    home.store.close()
    full = Full(tmp_path / "home", database, fill(disk))
    made = plan(full.home, ["workers"], "")
    assert (made.runs, made.held) == (before.runs, before.held)
    assert len(full.told) == 2 and "cannot be started" in full.told[1]
    for refused in (
        lambda: plan(full.home, ["workers"], "", keep=True),
        lambda: sync(full.home),
        lambda: start(full.home, before, lambda clusters: ()),
    ):
        with pytest.raises(NoRoomError) as caught:
            refused()
        assert "ballast" in caught.value.hint
    full.ballast.unlink()
    assert [synced.error for synced in sync(full.home)] == [""]
    assert plan(full.home, ["workers"], "", keep=True).runs == before.runs
    full.home.store.close()


def test_reports_and_exports_work_and_missing_signatures_are_reported(disk: Path, tmp_path: Path) -> None:
    database = str(disk / "fleet.db")
    home = a_fast_home(tmp_path / "home", database=database)
    signing.keygen(home)
    rollout = carried_out(home)
    home.store.journal.append([JournalRecord("decision", "note", "r-9")], at=home.now(), actor="ada@desk")
    home.store.close()
    full = Full(tmp_path / "home", database, fill(disk))
    assert {run.step for run in report(full.home, rollout).runs} == {"done"}
    assert with_evidence(full.home, report(full.home, rollout)).signature
    assert verification.export(full.home).checkpoints
    found = verification.verify(full.home)
    assert found.findings == () and 0 < found.proven < found.entries
    assert fleet_status(full.home)
    assert len([message for message in full.told if "not signed" in message]) == 1
    full.home.store.close()
    full.ballast.unlink()


def test_partial_checkpoint_file_is_not_taken_for_a_changed_one(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    with small_disk(home.path / "audit", 64) as folder:
        signing.keygen(home)
        home.store.journal.append([JournalRecord("decision", "note", "r-9")], at=home.now(), actor="ada@desk")
        copies = keys_of(home).copies
        copies.write_bytes(b"\n" * (PAGE - 6))
        ballast = fill(folder)
        with pytest.raises(OSError, match="No space left"):
            signing.checkpoint(home)
        assert copies.stat().st_size == PAGE - 6
        ballast.unlink()
        home.store.journal.append([JournalRecord("decision", "note", "r-9")], at=home.now(), actor="ada@desk")
        signing.checkpoint(home)
        assert verification.verify(home).findings == ()
    home.store.close()


def test_file_lease_survives_a_full_disk(tmp_path: Path) -> None:
    """Its epoch and place keep an older controller, and an older copy of the database, from a cluster of hosts."""
    lease = FileLease(tmp_path / "lease")
    taken = lease.attempt("fleet@a", 15, lambda _: False, "41:abc")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            lease.attempt("fleet@a", 15, lambda _: False, "42:def")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lease.place() == "41:abc"
    assert lease.attempt("fleet@b", 15, lambda holder: holder == "fleet@a").epoch == taken.epoch + 1
    lease.resign("fleet@b")
    assert lease.attempt("a", 15, lambda _: False).place == "41:abc"


def test_controller_whose_log_disk_is_full_continues(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    start(home, plan(home, ["workers"], ""), lambda clusters: ())
    home.store.close()
    with Path("/dev/full").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "fleet.cli", "--home", str(home.path), "run", "--until-idle"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            check=False,
        )
    home = Home(home.path)
    assert {run.step for run in report(home, "r-1").runs} == {"done"}
    assert done.returncode == 0
