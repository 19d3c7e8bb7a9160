"""Where things stand on the timeline."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleet.cli.report.timeline import ROWS, TimeScale, timeline
from fleet.core.policy.policy import Amount
from fleet.lab.simulation.builders import START
from tests.unit.report.scenes import a_scene, nightly

seconds = st.integers(0, 7 * 86400)


def after(count: float) -> timedelta:
    return timedelta(seconds=count)


@given(st.lists(st.tuples(seconds, seconds), max_size=8), st.lists(seconds, min_size=2, max_size=9))
def test_later_is_never_further_left(busy: list[tuple[int, int]], moments: list[int]) -> None:
    stretches = [(START + after(min(pair)), START + after(max(pair))) for pair in busy]
    scale = TimeScale(START, START + after(7 * 86400), stretches)
    shares = [scale.share(START + after(moment)) for moment in sorted(moments)]
    assert all(left <= right for left, right in pairwise(shares))
    assert scale.share(START) == 0 and scale.share(START + after(7 * 86400)) == 1
    assert all(0 <= share <= 1 for share in shares)


def test_long_idle_time_takes_little_room() -> None:
    hour, day = 3600, 86400
    busy = [(START, START + after(hour)), (START + after(day), START + after(day + hour))]
    scale = TimeScale(START, START + after(day + hour), busy)
    assert scale.folded == [(START + after(hour), START + after(day))]
    assert scale.share(START + after(day)) - scale.share(START + after(hour)) < 0.05
    assert scale.share(START + after(hour)) > 0.45


def test_night_between_two_windows_is_folded_and_the_windows_are_drawn() -> None:
    drawn = timeline(a_scene(nodes=40, windows=nightly(), limit=Amount(2)))
    assert len(drawn.folds) == 1 and drawn.folds[0].words == "15h 59m"
    assert all(group.windows for group in drawn.groups)
    assert [tick.day for tick in drawn.ticks if tick.day] == ["Mon 2 Nov", "Tue 3 Nov"]


def test_few_nodes_have_a_row_each() -> None:
    drawn = timeline(a_scene(nodes=24))
    assert not drawn.packed and sum(len(group.nodes) for group in drawn.groups) == 24
    for group in drawn.groups:
        assert [track.row for track in group.tracks] == list(range(group.rows))


def test_many_nodes_share_rows_without_overlap() -> None:
    report = a_scene(nodes=ROWS + 40)
    drawn = timeline(report)
    assert drawn.packed
    for group in drawn.groups:
        assert group.rows == group.pool.peak
        rows: dict[int, list[tuple[float, float]]] = {}
        for track in group.tracks:
            for bar in track.bars:
                left, width = float(bar.left[:-1]), float(bar.width[:-1])
                rows.setdefault(track.row, []).append((left, left + width))
        for bars in rows.values():
            assert all(one[1] <= other[0] + 0.002 for one, other in pairwise(sorted(bars)))


def test_nodes_that_have_not_begun_are_counted_instead() -> None:
    report = a_scene(nodes=30, stop_after=100)
    drawn = timeline(report)
    assert drawn.absent == 30 - sum(len(group.tracks) for group in drawn.groups) > 0


def test_canaries_are_marked() -> None:
    marked = [track.run.node for group in timeline(a_scene()).groups for track in group.tracks if track.mark]
    assert sorted(marked) == sorted(run.node for run in a_scene().runs if run.canary) and marked
