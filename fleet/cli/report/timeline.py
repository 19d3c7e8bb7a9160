"""The timeline of a report: where every bar, window and hour stands, in percent of the width.

Up to `ROWS` nodes have a row each. More are packed: a line is then a slot, taken by one node after the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fleet.cli.report import answer
from fleet.core.reporting.report import Report, ReportPool, ReportRun
from fleet.core.rollout.steps import HAS_SLOT, Step
from fleet.core.text.durations import format_duration

ROWS = 80
FOLD_SHARE = 0.15
"""A time in which nothing is done is folded if it is longer than this share of the time in which something is."""
FOLD_LEAST = timedelta(minutes=10)
FOLDED_WIDTH = 0.03
BROAD = 1000
"""Pixels of an ordinary screen."""
BROADEST = 6000
RUN_BREADTH = 16
"""Pixels of a run in the middle of all, where lines are packed: the timeline is then broader than the screen."""
TICKS = 9
"""In the breadth of an ordinary screen."""
WORK = HAS_SLOT | {Step.STAGE}
"""A bar is drawn for these."""
TICK_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]
"""Seconds."""

Stretch = tuple[datetime, datetime]


class Bar(NamedTuple):
    step: str
    left: str
    width: str


class Track(NamedTuple):
    """The bars of one run."""

    run: ReportRun
    title: str
    row: int
    mark: str
    """Position of the canary's mark in percent. Empty: the node is not a canary."""
    bars: tuple[Bar, ...]


class TimelineGroup(NamedTuple):
    """The part of one pool, with windows of its own."""

    pool: ReportPool
    rows: int
    windows: tuple[Bar, ...]
    tracks: tuple[Track, ...]
    nodes: tuple[ReportRun, ...]
    """The node of each row; empty where they are packed."""

    @property
    def lanes(self) -> tuple[tuple[Track, ...], ...]:
        """The tracks of each row."""
        lanes: list[list[Track]] = [[] for _ in range(self.rows)]
        for track in self.tracks:
            lanes[track.row].append(track)
        return tuple(map(tuple, lanes))


class Tick(NamedTuple):
    left: str
    words: str
    day: str


class FoldedRows(NamedTuple):
    left: str
    width: str
    words: str


class TimelineView(NamedTuple):
    groups: tuple[TimelineGroup, ...]
    ticks: tuple[Tick, ...]
    folds: tuple[FoldedRows, ...]
    packed: bool
    breadth: int
    """Pixels that it should have at least."""
    absent: int
    """Nodes without a bar: their runs have not begun."""


class TimeScale:
    """Turns moments into shares of the width; long times in which nothing was done take little of it."""

    def __init__(self, begin: datetime, end: datetime, busy: Iterable[Stretch]) -> None:
        merged = _merged(busy)
        active = sum(((last - first) for first, last in merged), timedelta())
        longest = max(FOLD_LEAST, active * FOLD_SHARE)
        edges = [begin, *(moment for stretch in merged for moment in stretch), max(begin, end)]
        self.folded = [
            (first, last)
            for first, last in zip(edges[::2], edges[1::2], strict=True)
            if last - first > longest and active
        ]
        whole = (edges[-1] - begin) - sum(((last - first) for first, last in self.folded), timedelta())
        fold = max(whole * FOLDED_WIDTH, timedelta(seconds=1))
        self._points = [(begin, 0.0)]
        for first, last in self.folded:
            at, share = self._points[-1]
            before = share + (first - at).total_seconds()
            self._points += [(first, before), (last, before + fold.total_seconds())]
        at, share = self._points[-1]
        self._points.append((edges[-1], share + max((edges[-1] - at).total_seconds(), 0.0)))
        self._total = max(self._points[-1][1], 1.0)
        self.seconds = whole.total_seconds()
        """The parts that are shown at full length."""

    def share(self, moment: datetime) -> float:
        """Returns the moment's share of the width, 0 to 1; what is outside counts as the edge."""
        moments = [point[0] for point in self._points]
        index = bisect_right(moments, moment)
        if index == 0:
            return 0.0
        at, share = self._points[index - 1]
        if index == len(self._points):
            return share / self._total
        after, further = self._points[index]
        return (share + (further - share) * ((moment - at) / (after - at))) / self._total

    def bar(self, step: str, first: datetime, last: datetime) -> Bar:
        left, right = self.share(first), self.share(last)
        return Bar(step, percent(left), percent(right - left))


def timeline(report: Report) -> TimelineView:
    """Lays out the runs of a report: a group a pool, a lane for runs one after the other, and ticks for the time."""
    shown = [run for run in report.runs if _worked(run, report.at)]
    packed = len(shown) > ROWS
    scale = _scale(report, shown)
    breadth = _breadth(shown, scale) if packed else BROAD
    return TimelineView(
        groups=tuple(_group(pool, shown, scale, report, packed) for pool in report.pools),
        ticks=tuple(_ticks(report.started, _end(report), scale, breadth)),
        folds=tuple(
            FoldedRows(
                percent(scale.share(first)),
                percent(scale.share(last) - scale.share(first)),
                format_duration((last - first).total_seconds()),
            )
            for first, last in scale.folded
        ),
        packed=packed,
        breadth=breadth,
        absent=len(report.runs) - len(shown),
    )


def percent(share: float) -> str:
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"


def _scale(report: Report, runs: Sequence[ReportRun]) -> TimeScale:
    busy = [(first, last) for run in runs for _, first, last in _worked(run, report.at)]
    return TimeScale(report.started, _end(report), busy)


def _breadth(runs: Sequence[ReportRun], scale: TimeScale) -> int:
    lasted = sorted(run.seconds for run in runs if run.seconds)
    middle = lasted[len(lasted) // 2] if lasted else scale.seconds
    return round(min(BROADEST, max(BROAD, RUN_BREADTH * scale.seconds / max(middle, 1.0))))


def _end(report: Report) -> datetime:
    return report.ended or report.at


def _worked(run: ReportRun, now: datetime) -> list[tuple[str, datetime, datetime]]:
    """Returns the steps of the run without the waiting."""
    return [(taken.step, taken.start, taken.end or now) for taken in run.steps if taken.step in WORK]


def _group(
    pool: ReportPool, runs: Sequence[ReportRun], scale: TimeScale, report: Report, packed: bool
) -> TimelineGroup:
    members = sorted((run for run in runs if run.pool == pool.name), key=lambda run: _first(run, report.at))
    rows = _lanes(members, report) if packed else list(range(len(members)))
    tracks = [_track(run, row, scale, report, packed) for run, row in zip(members, rows, strict=True)]
    return TimelineGroup(
        pool=pool,
        rows=max(rows, default=-1) + 1,
        windows=tuple(scale.bar("window", window.start, window.end) for window in pool.windows),
        tracks=tuple(tracks),
        nodes=() if packed else tuple(members),
    )


def _first(run: ReportRun, now: datetime) -> tuple[datetime, datetime]:
    start = _worked(run, now)[0][1]
    return run.begun or start, start


def _lanes(runs: Sequence[ReportRun], report: Report) -> list[int]:
    """Returns for each run the lowest line that is free when it begins. `runs`: by their beginning."""
    free_at: list[datetime] = []
    rows = []
    for run in runs:
        first = _first(run, report.at)[0]
        last = _worked(run, report.at)[-1][2]
        row = next((row for row, free in enumerate(free_at) if free <= first), len(free_at))
        free_at[row : row + 1] = [last]
        rows.append(row)
    return rows


def _track(run: ReportRun, row: int, scale: TimeScale, report: Report, packed: bool) -> Track:
    waits = [step for step in run.steps if step.step == Step.STAGED and not packed]
    bars = [scale.bar(wait.step, wait.start, wait.end or _end(report)) for wait in waits]
    for step, first, last in _worked(run, report.at):
        apart = packed and step == Step.STAGE and run.begun is not None
        if last > first and not apart:
            bars.append(scale.bar(step, first, last))
    if run.ending == "failed" and run.ended is not None:
        bars.append(scale.bar("failed", run.ended, run.ended))
    steps = answer.steps(run)
    took = format_duration(run.seconds) if run.seconds is not None else run.step
    title = f"{run.node}, zone {run.zone or '-'}, {run.ending} ({took}){f': {steps}' if steps else ''}"
    mark = percent(scale.share(run.begun or _worked(run, report.at)[0][1])) if run.canary else ""
    return Track(run, title, row, mark, tuple(bars))


def _ticks(begin: datetime, end: datetime, scale: TimeScale, breadth: int) -> Iterator[Tick]:
    """Yields ticks at round times, with room for their labels; a new day needs more of it."""
    count = TICKS * breadth / BROAD
    step = next((step for step in TICK_STEPS if scale.seconds / step <= count), TICK_STEPS[-1])
    moment = datetime.fromtimestamp(-(-begin.timestamp() // step) * step, UTC)
    day, last = "", -1.0
    while moment <= end:
        share = scale.share(moment)
        today = f"{moment:%a} {moment.day} {moment:%b}"
        room = (0.5 if today == day else 0.75) / count
        folded = any(first < moment < until for first, until in scale.folded)
        if not folded and share - last > room:
            yield Tick(percent(share), f"{moment:%H:%M}", today if today != day else "")
            day, last = today, share
        moment += timedelta(seconds=step)


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for first, last in sorted(stretches):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
