"""What users who watch a rollout see of each entry of the journal."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from msgspec.structs import replace

from fleet.app.rollouts.follow import Follower
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.cli.views.rollout_page.live import entry_lines, scene_of
from fleet.cli.views.rollout_page.rollout import picture
from fleet.core.reporting.timeline import Timeline
from fleet.drivers.journal.checkpoints import keep
from tests.unit.app.finished import a_fast_home, carried_out, workers
from tests.unit.app.homes import a_home


def following(home: Home, ident: str) -> Follower:
    return Follower(home, Rollouts.load(home.store), ident)


def test_measurements_are_no_lines_and_every_step_is_one(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    follower = following(home, carried_out(home))
    entries = follower.so_far()
    lines = {entry.seq: list(entry_lines(follower, entry)) for entry in entries}
    measured = [entry.seq for entry in entries if entry.record.kind == "timed"]
    steps = [entry.seq for entry in entries if entry.record.kind == "step"]
    assert measured and all(lines[seq] == [] for seq in measured)
    assert steps and all(len(lines[seq]) == 1 for seq in steps)
    home.store.close()


def test_views_that_begin_at_a_checkpoint_show_what_the_whole_journal_shows(tmp_path: Path) -> None:
    """The journal of a rollout is written again, one moment at a time: at each, a view that has followed from the start
    and one that begins now, with a checkpoint behind it, show what the timeline of all entries gives."""
    lived = a_fast_home(tmp_path / "lived", workers(4))
    ident = carried_out(lived)
    entries = list(lived.store.journal.entries(rollout=ident))
    lived.store.close()
    home = a_home(tmp_path / "again", workers(4))
    journal = home.store.journal
    timeline, follower, seen = Timeline(ident), None, 0
    for number, (at, group) in enumerate(groupby(entries, key=lambda entry: entry.at)):
        written = [entry.record for entry in group]
        timeline.apply(journal.append(written, at=at, actor="fleet@test"))
        follower = follower or following(home, ident)
        seen += len(follower.look())
        shown = pictures(follower, timeline), pictures(following(home, ident), timeline)
        assert all(from_database == from_all for from_database, from_all in shown)
        if number % 3 == 0:
            keep(journal, home.store.folds, at, "fleet@test", enough=1)
    assert follower is not None and "done 4" in picture(scene_of(follower)).plain
    assert [entry.seq for entry in follower.so_far()] == [entry.seq for entry in timeline.entries]
    assert 0 < seen < len(timeline.entries), "what came before it began is not new"
    home.store.close()


def pictures(follower: Follower, timeline: Timeline) -> tuple[str, str]:
    """Returns the picture of the follower, and the one of the timeline of all entries."""
    scene = scene_of(follower)
    assert timeline.rollout is not None
    whole = replace(scene, rollout=timeline.rollout, nodes=timeline.nodes)
    return picture(scene).plain, picture(whole).plain
