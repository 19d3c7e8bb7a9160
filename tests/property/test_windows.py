"""Windows and freezes against one who walks through time minute by minute and looks at the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.policy.schedule import OPENING, Schedule
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.window import Window
from fleet.core.policy.windows import LevelWindows

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TURNS = (
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 11, 23, tzinfo=UTC)),
    ("UTC", datetime(2026, 12, 31, tzinfo=UTC)),
)
"""Moments at which clocks are changed (and two at which none is): where arithmetic on times goes wrong."""

clocks = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 45, 59)))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[tuple[Window, ...], tuple[Freeze, ...], datetime]:
    zone, turn = draw(st.sampled_from(TURNS))
    zones = st.sampled_from((zone, zone, "UTC"))
    days = st.sets(st.integers(0, 6), min_size=1).map(lambda found: tuple(sorted(found)))
    weekly = draw(st.lists(st.builds(Window, days=days, start=clocks, end=clocks, zone=zones), max_size=3))
    begin = turn + draw(st.integers(-2 * 1440, 600)) * MINUTE
    freezes = []
    for index in range(draw(st.integers(0, 2))):
        first = begin + draw(st.integers(-600, 2880)) * MINUTE
        freezes.append(Freeze(f"f{index}", first, first + draw(st.integers(1, 900)) * MINUTE))
    return tuple(weekly), tuple(freezes), begin


def schedule_of(weekly: tuple[Window, ...], freezes: tuple[Freeze, ...]) -> Schedule:
    levels = [LevelWindows("pool p", weekly)] if weekly else []
    return Schedule("p", levels, Freezes(freezes))


def is_open(weekly: tuple[Window, ...], freezes: tuple[Freeze, ...], moment: datetime) -> bool:
    if any(freeze.begin <= moment < freeze.until for freeze in freezes):
        return False
    return not weekly or any(shows(window, moment.astimezone(ZoneInfo(window.zone))) for window in weekly)


def shows(window: Window, wall: datetime) -> bool:
    clock, today, yesterday = wall.time(), wall.weekday(), (wall.weekday() - 1) % 7
    if window.start < window.end:
        return today in window.days and window.start <= clock < window.end
    late = today in window.days and clock >= window.start
    return late or (yesterday in window.days and clock < window.end)


def minutes(begin: datetime, count: int) -> Iterator[datetime]:
    return (begin + index * MINUTE for index in range(count))


@settings(deadline=None)
@given(scenes())
def test_a_span_covers_exactly_the_open_minutes(
    scene: tuple[tuple[Window, ...], tuple[Freeze, ...], datetime],
) -> None:
    weekly, freezes, begin = scene
    found = schedule_of(weekly, freezes).open_spans(begin, begin + 3 * DAY)
    covered = {moment for first, last in found for moment in minutes(first, (last - first) // MINUTE)}
    assert covered == {moment for moment in minutes(begin, 3 * 1440) if is_open(weekly, freezes, moment)}
    assert all(first < last for first, last in found)
    assert all(before[1] < after[0] for before, after in pairwise(found))


@settings(deadline=None)
@given(scenes())
def test_opening_and_closing_minutes(
    scene: tuple[tuple[Window, ...], tuple[Freeze, ...], datetime],
) -> None:
    weekly, freezes, now = scene
    opens = schedule_of(weekly, freezes).opens(now)
    walked = next((moment for moment in minutes(now, 3 * 1440) if is_open(weekly, freezes, moment)), None)
    assert opens == walked if walked is not None else opens is not None and opens > now
    closes = schedule_of(weekly, freezes).closes(now)
    shut = next((moment for moment in minutes(now, 3 * 1440) if not is_open(weekly, freezes, moment)), None)
    assert closes == shut if shut is not None else closes is None or closes > now


@settings(deadline=None)
@given(scenes(), st.integers(0, 400))
def test_run_ends_before_its_window_closes_unless_no_window_could_hold_it(
    scene: tuple[tuple[Window, ...], tuple[Freeze, ...], datetime], needed: int
) -> None:
    weekly, freezes, now = scene
    schedule = schedule_of(weekly[:1], freezes)
    refused = schedule.held(now, needed * MINUTE)
    if all(is_open(weekly[:1], freezes, moment) for moment in minutes(now, max(1, needed))):
        assert refused is None
    elif refused is None:
        assert is_open(weekly[:1], freezes, now)
        assert weekly, "only a freeze is in its way, and it would not end before that"
        quiet = datetime(2026, 6, 1, tzinfo=UTC)
        spans = schedule_of(weekly[:1], ()).open_spans(quiet, quiet + 14 * DAY)
        assert max(last - first for first, last in spans) < needed * MINUTE + OPENING


@settings(deadline=None)
@given(scenes(), st.integers(0, 400))
def test_next_start_is_the_first_allowed_moment(
    scene: tuple[tuple[Window, ...], tuple[Freeze, ...], datetime], needed: int
) -> None:
    weekly, freezes, now = scene
    schedule = schedule_of(weekly[:1], freezes)
    start = schedule.next_start(now, needed * MINUTE)
    assert start is not None
    assert schedule.held(start, needed * MINUTE) is None
    early = next(
        (
            moment
            for moment in minutes(now, min(1440, (start - now) // MINUTE))
            if schedule.held(moment, needed * MINUTE) is None
        ),
        None,
    )
    assert early is None
