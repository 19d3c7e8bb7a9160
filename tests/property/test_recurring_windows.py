"""Windows by recurrence rules through years of changed clocks, against an oracle that looks at the wall (see
`tests/wall_clock.py`). `python -m tests.soak.windows` does it minute by minute, in twenty zones, for ten years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from dateutil.rrule import rrulestr

from fleet.core.policy.schedule import Schedule
from fleet.core.policy.times.freeze import FreezeCalendar
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.recurrence import Occurrences
from fleet.core.policy.times.window import RecurringWindow
from fleet.core.policy.windows import LevelWindows
from tests.wall_clock import FIRST, OPENINGS, Opening, WallClock

ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca")
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
"""All offsets from UTC and all times of these windows are multiples of it, so that no step misses anything."""


def recurring(opening: Opening, zone: str) -> RecurringWindow:
    start = datetime.combine(FIRST, opening.clock)
    later, length = int(opening.later.total_seconds()), int(opening.length.total_seconds())
    return RecurringWindow(start, length, zone, opening.rrule, later)


@pytest.mark.parametrize("zone", ZONES)
def test_the_calendar_of_four_years_is_that_of_the_wall_clock(zone: str) -> None:
    windows = [recurring(each, zone) for each in OPENINGS]
    schedule = Schedule("p", [LevelWindows("pool p", (), windows)], Freezes(()))
    assert schedule.open_spans(BEGIN, END) == WallClock(zone, OPENINGS).spans(BEGIN, END, QUARTER)


@pytest.mark.parametrize("opening", OPENINGS, ids=lambda opening: opening.rrule)
def test_each_rule_alone_is_that_of_the_wall_clock_where_clocks_are_put_back_by_half_an_hour(
    opening: Opening,
) -> None:
    zone = "Australia/Lord_Howe"
    schedule = Schedule("p", [LevelWindows("pool p", (), [recurring(opening, zone)])], Freezes(()))
    found = WallClock(zone, [opening]).spans(BEGIN, END, QUARTER)
    assert found, "the oracle finds some"
    assert schedule.open_spans(BEGIN, END) == found


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;BYDAY=MO,FR;BYMONTH=3,11",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,TU,SU",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU",
        "FREQ=WEEKLY",
        "FREQ=DAILY;COUNT=13440",
        "FREQ=WEEKLY;UNTIL=20261115T000000",
        "FREQ=MONTHLY;BYDAY=-1FR",
    ],
)
def test_dates_of_an_old_rule_are_those_that_are_counted_from_its_start(rule: str) -> None:
    start = datetime.fromisoformat("1990-01-03T22:00")
    begin, end = datetime.fromisoformat("2026-10-07T03:00"), datetime.fromisoformat("2026-12-24T22:00")
    every = [
        each for each in takewhile(lambda date: date < end, rrulestr(rule, dtstart=start)) if each >= begin
    ]
    window = RecurringWindow(start, 3600, rule=rule)
    assert Occurrences(window).between(begin, end) == every != []
    asked_before = Occurrences(window)
    asked_before.between(end, end + timedelta(days=30))
    assert asked_before.between(begin, end) == every


def test_levels_are_open_together_and_freezes_close_them_all() -> None:
    zones = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
    daily = Opening("FREQ=DAILY", lambda day: True, datetime(2024, 1, 2, 22).time(), timedelta(hours=12))  # noqa: DTZ001
    levels = [LevelWindows(f"level {zone}", (), [recurring(daily, zone)]) for zone in zones]
    frozen = OPENINGS[0]
    calendar = FreezeCalendar("f", (("quiet", recurring(frozen, "Europe/Berlin")),))
    schedule = Schedule("p", levels, Freezes((), [calendar]))
    end = BEGIN + timedelta(days=400)
    walls, quiet = [WallClock(zone, [daily]) for zone in zones], WallClock("Europe/Berlin", [frozen])
    moment, expected, found = BEGIN, set(), set()
    while moment < end:
        if all(wall.is_open(moment) for wall in walls) and not quiet.is_open(moment):
            expected.add(moment)
        moment += QUARTER
    for first, last in schedule.open_spans(BEGIN, end):
        while first < last:
            found.add(first)
            first += QUARTER
    assert found == expected != set()
