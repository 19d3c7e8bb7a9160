"""What users who watch a rollout see of each entry of the journal."""

from __future__ import annotations

from pathlib import Path

from fleet.app.rollouts.follow import Follower
from fleet.cli.views.rollout_page.live import entry_lines
from tests.unit.app.finished import a_fast_home, carried_out


def test_measurements_are_no_lines_and_every_step_is_one(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    follower = Follower(home, carried_out(home))
    entries = list(home.store.journal.entries(rollout=follower.rollout.id))
    lines = {entry.seq: list(entry_lines(follower, entry)) for entry in entries}
    measured = [entry.seq for entry in entries if entry.record.kind == "timed"]
    steps = [entry.seq for entry in entries if entry.record.kind == "step"]
    assert measured and all(lines[seq] == [] for seq in measured)
    assert steps and all(len(lines[seq]) == 1 for seq in steps)
    home.store.close()
