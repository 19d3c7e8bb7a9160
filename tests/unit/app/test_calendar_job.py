"""The job that reads calendars again: what has changed reaches the rollouts that are under way."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from fleet.app.planning.plans import plan
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.start import start
from fleet.app.schedule.calendars import renew
from fleet.app.schedule.registry import jobs_in, jobs_of
from fleet.app.wiring.home import Home
from fleet.core.jobs.job import JobRun
from fleet.core.records.errors import ConfigError, StaleEpochError
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CalendarsRead
from fleet.lab.simulation.builders import NEW, START
from tests.unit.app.homes import POLICY, a_home
from tests.unit.app.test_approvals import fresh_of
from tests.unit.app.test_feeds import Answers, a_server, trusts

__all__ = ["trusts"]

FREEZES = "freezes: [{name: board, calendar: board.ics}]\n"
EMPTY = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n"
RUN = JobRun("calendars", START, START, "controller-1", 0)


def frozen(days: int) -> str:
    """A calendar with a freeze that began a day ago and lasts so many days."""
    begin, end = START - timedelta(days=1), START + timedelta(days=days)
    event = f"BEGIN:VEVENT\r\nUID:1\r\nDTSTART:{begin:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT\r\n"
    return EMPTY.replace("END:VCALENDAR", f"{event}END:VCALENDAR")


def a_home_with(folder: Path, board: str, policy: str = FREEZES) -> Home:
    folder.mkdir(exist_ok=True)
    (folder / "board.ics").write_text(board)
    return a_home(folder, policy=POLICY + policy)


def a_rollout(folder: Path, policy: str, board: str = EMPTY) -> Home:
    """A home in which a rollout has been started, under a calendar beside the policy."""
    home = a_home_with(folder, board, policy)
    start(home, plan(home, ["workers"], NEW.version), fresh_of(home))
    return home


def journaled(home: Home) -> list[CalendarsRead]:
    found = [from_record(entry.record) for entry in home.store.journal.entries(kinds=["calendars"])]
    return [record for record in found if isinstance(record, CalendarsRead)]


def is_held(home: Home) -> bool:
    rollout = Rollouts.load(home.store).named("r-1")
    return rollout.schedule(next(iter(rollout.runs.values()))).held(START, timedelta()) is not None


def test_start_has_the_version_of_every_calendar(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES)
    (record,) = journaled(home)
    assert record.versions["freeze board"].sha256 == sha256(EMPTY.encode()).hexdigest()


def test_start_without_calendars_has_no_record_of_any(tmp_path: Path) -> None:
    assert not journaled(a_rollout(tmp_path / "home", ""))


def test_freeze_in_a_changed_file_reaches_the_rollout_with_its_version(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES)
    assert not is_held(home)
    (home.path / "board.ics").write_text(frozen(2))
    done = renew(home, RUN)
    assert is_held(home) and "r-1: changed: freeze board" in done
    record = journaled(home)[-1]
    assert record.versions["freeze board"].sha256 == sha256(frozen(2).encode()).hexdigest()
    entry = home.store.journal.last()
    assert entry is not None and entry.actor == "controller-1"


def test_calendar_with_the_same_events_changes_nothing(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES, frozen(2))
    (home.path / "board.ics").write_text(frozen(2).replace("UID:1", "UID:1\r\nDTSTAMP:20261130T120000Z"))
    assert "changed" not in renew(home, RUN)
    assert len(journaled(home)) == 1 and is_held(home)


def test_file_that_is_gone_leaves_the_rollout_its_last_events(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES, frozen(2))
    (home.path / "board.ics").unlink()
    with pytest.raises(ConfigError, match="the file is not there"):
        renew(home, RUN)
    assert is_held(home)


def test_feed_that_does_not_answer_leaves_its_last_copy_and_the_job_says_from_when(tmp_path: Path) -> None:
    with a_server(tmp_path, frozen(2)) as url:
        home = a_rollout(tmp_path / "home", f"freezes: [{{name: board, calendar: '{url}/feed/5ecre7'}}]\n")
        assert is_held(home)
        Answers.body = EMPTY.encode()
        assert "changed: freeze board" in renew(home, RUN)
        assert not is_held(home)
        Answers.body = frozen(2).encode()
        renew(home, RUN)
    done = renew(home, RUN)
    assert is_held(home)
    assert "cannot be read" in done and "its copy of" in done and "5ecre7" not in done


def test_openings_of_a_calendar_of_windows_change_too(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", "windows: [{calendar: board.ics}]\n", frozen(3))
    assert not is_held(home)
    (home.path / "board.ics").write_text(frozen(0))
    assert "changed: board.ics" in renew(home, RUN)
    assert is_held(home)


def test_controller_that_lost_the_lease_changes_no_rollout(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES)
    (home.path / "board.ics").write_text(frozen(2))
    home.store.lease.acquire("controller-2", at=START, seconds=15, abandoned=lambda holder: True)
    with pytest.raises(StaleEpochError):
        renew(home, RUN._replace(epoch=7))
    assert not is_held(home)


def test_policy_without_calendars_asks_for_no_job(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    assert not [each for each in jobs_in(home, home.whole_policy()) if each.name == "calendars"]


def test_jobs_follow_the_policy_and_stay_while_it_has_mistakes(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES)
    jobs = jobs_of(home)
    assert [job.name for job in jobs()] == ["calendars"]
    home.policy_file.write_text("pools: nonsense")
    assert [job.name for job in jobs()] == ["calendars"]
    home.policy_file.write_text(POLICY)
    assert [job.name for job in jobs()] == []


def test_job_works_in_a_home_of_its_own(tmp_path: Path) -> None:
    home = a_rollout(tmp_path / "home", FREEZES)
    (home.path / "board.ics").write_text(frozen(2))
    (job,) = jobs_of(home)()
    assert "r-1" in job.work(RUN)
    assert is_held(home)


def test_start_does_not_call_a_calendar_that_has_changed_a_change_of_the_policy(tmp_path: Path) -> None:
    home = a_home_with(tmp_path / "home", EMPTY)
    made = plan(home, ["workers"], NEW.version)
    (home.path / "board.ics").write_text(frozen(2))
    assert not [
        note for note in start(home, made, fresh_of(home)).notes if "has changed since the plan" in note
    ]
    assert is_held(home)


def test_start_names_a_policy_that_has_changed_beside_its_calendars(tmp_path: Path) -> None:
    home = a_home_with(tmp_path / "home", EMPTY)
    made = plan(home, ["workers"], NEW.version)
    home.policy_file.write_text(
        home.policy_file.read_text().replace("max_unavailable: 2", "max_unavailable: 1")
    )
    assert [note for note in start(home, made, fresh_of(home)).notes if "has changed since the plan" in note]
