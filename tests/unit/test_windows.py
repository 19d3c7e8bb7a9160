"""When runs may start, in wall-clock times."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from fleet.core.policy.schedule import Schedule, format_moment
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.window import Window
from fleet.core.policy.windows import LevelWindows
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = Window(days=(5, 6), start=time(1), end=time(5), zone="Europe/Berlin")
NIGHTLY = Window(days=tuple(range(7)), start=time(22), end=time(2), zone="Europe/Berlin")
ALWAYS = Window(days=tuple(range(7)), start=time(), end=time())
HOUR = timedelta(hours=1)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def freeze(begin: str, until: str, name: str = "year end") -> Freeze:
    return Freeze(name, berlin(begin), berlin(until))


def weekly(*windows: Window, freezes: tuple[Freeze, ...] = ()) -> Schedule:
    levels = [LevelWindows("pool workers", windows)] if windows else []
    return Schedule("workers", levels, Freezes(freezes))


def ask(now: str, needed: timedelta, *windows: Window, freezes: tuple[Freeze, ...] = ()) -> Held | None:
    return weekly(*windows, freezes=freezes).held(berlin(now), needed)


def test_pool_without_windows_is_always_open() -> None:
    assert ask("2026-11-25 12:00", 100 * HOUR) is None
    assert weekly().closes(berlin("2026-11-25 12:00")) is None


@pytest.mark.parametrize(
    ("now", "may"),
    [
        ("2026-11-28 00:59", False),
        ("2026-11-28 01:00", True),
        ("2026-11-28 04:00", True),
        ("2026-11-28 04:01", False),
        ("2026-11-28 05:00", False),
        ("2026-11-29 01:00", True),
        ("2026-11-30 01:00", False),
    ],
)
def test_run_of_an_hour_starts_inside_a_window_while_an_hour_is_left(now: str, may: bool) -> None:
    assert (ask(now, HOUR, WEEKEND) is None) is may


def test_refusal_names_the_pool_and_when_the_next_window_that_fits_opens() -> None:
    refused = ask("2026-11-28 04:30", HOUR, WEEKEND)
    assert refused == Held(Reason.WINDOW, "workers", {"opens": "Sun 01:00 CET", "needed": "1h"})


def test_next_window_that_fits_may_not_be_the_next_one() -> None:
    short = Window(days=(0,), start=time(1), end=time(2))
    long = Window(days=(3,), start=time(1), end=time(6))
    now = datetime(2026, 11, 29, tzinfo=UTC)
    assert weekly(short, long).next_start(now, 30 * timedelta(minutes=1)) == datetime(
        2026, 11, 30, 1, tzinfo=UTC
    )
    assert weekly(short, long).next_start(now, 3 * HOUR) == datetime(2026, 12, 3, 1, tzinfo=UTC)


def test_run_longer_than_every_window_may_start_as_the_longest_opens() -> None:
    assert ask("2026-11-28 01:14", 10 * HOUR, WEEKEND) is None
    assert ask("2026-11-28 01:16", 10 * HOUR, WEEKEND) is not None
    short = Window(days=(2,), start=time(1), end=time(2), zone="Europe/Berlin")
    assert ask("2026-11-25 01:00", 10 * HOUR, short, WEEKEND) is not None, "a longer window is to come"


def test_longer_run_may_never_start_where_a_shorter_one_may_not() -> None:
    for minute in range(0, 300, 5):
        now = berlin("2026-11-28 00:30") + timedelta(minutes=minute)
        may = [weekly(WEEKEND).held(now, timedelta(minutes=needed)) is None for needed in range(0, 400, 5)]
        assert may == sorted(may, reverse=True)


@pytest.mark.parametrize("needed", [HOUR, 2.5 * HOUR, 9 * HOUR])
def test_runs_may_start_where_none_is_held(needed: timedelta) -> None:
    begin = berlin("2026-11-25 12:00")
    freezes = (freeze("2026-11-29 04:10", "2026-12-05 01:30"),)
    found = weekly(WEEKEND, NIGHTLY, freezes=freezes).starts(begin, begin + timedelta(days=14), needed)
    schedule = weekly(WEEKEND, NIGHTLY, freezes=freezes)
    for quarter in range(4 * 24 * 13):
        now = begin + quarter * timedelta(minutes=15)
        may = any(first <= now <= last for first, last in found)
        assert may == (schedule.held(now, needed) is None), now


def test_freeze_overrides_a_window() -> None:
    refused = ask("2026-12-26 02:00", HOUR, WEEKEND, freezes=(freeze("2026-12-19", "2027-01-04"),))
    assert refused == Held(Reason.FREEZE, "year end", {"until": "Mon 4 Jan 2027 00:00 CET"})


def test_run_must_end_before_a_freeze_begins() -> None:
    frozen = (freeze("2026-11-28 03:00", "2026-11-29"),)
    assert ask("2026-11-28 02:00", HOUR, WEEKEND, freezes=frozen) is None
    refused = ask("2026-11-28 02:01", HOUR, WEEKEND, freezes=frozen)
    assert refused is not None
    assert refused.reason is Reason.FREEZE
    without_windows = ask("2026-11-28 02:01", HOUR, freezes=frozen)
    assert without_windows is not None
    assert without_windows.subject == "year end"


def test_next_opening_is_after_the_freezes() -> None:
    frozen = (
        freeze("2026-12-19", "2027-01-04"),
        freeze("2027-01-09", "2027-01-10 03:00", "stocktaking"),
    )
    now = berlin("2026-12-20 12:00")
    assert weekly(WEEKEND, freezes=frozen).opens(now) == berlin("2027-01-10 03:00")
    assert weekly(WEEKEND, freezes=frozen).closes(now) == now


def test_adjacent_windows_are_one() -> None:
    saturday = Window(days=(5,), start=time(20), end=time())
    sunday = Window(days=(6,), start=time(), end=time(4))
    assert weekly(saturday, sunday).closes(datetime(2026, 11, 28, 21, tzinfo=UTC)) == datetime(
        2026, 11, 29, 4, tzinfo=UTC
    )


def test_whole_days_in_sequence_never_close() -> None:
    now = datetime(2026, 3, 28, 21, tzinfo=UTC)
    assert weekly(ALWAYS).closes(now) is None
    assert weekly(ALWAYS).held(now, 300 * HOUR) is None


def test_window_past_midnight_belongs_to_the_day_it_opens_on() -> None:
    friday = Window(days=(4,), start=time(22), end=time(2), zone="Europe/Berlin")
    assert weekly(friday).open_spans(berlin("2026-11-23"), berlin("2026-11-30")) == [
        (berlin("2026-11-27 22:00"), berlin("2026-11-28 02:00"))
    ]


def test_window_from_sunday_into_monday_is_open_on_monday() -> None:
    sunday = Window(days=(6,), start=time(22), end=time(2))
    assert weekly(sunday).closes(datetime(2026, 11, 30, 1, tzinfo=UTC)) == datetime(
        2026, 11, 30, 2, tzinfo=UTC
    )


def test_start_of_daylight_saving_time_shortens_a_window() -> None:
    begin, end = berlin("2026-03-29 00:00"), berlin("2026-03-30 00:00")
    assert weekly(WEEKEND).open_spans(begin, end) == [
        (datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 3, tzinfo=UTC))
    ]
    refused = ask("2026-03-29 01:00", timedelta(hours=3, minutes=30), WEEKEND)
    assert refused is not None
    assert refused.params["opens"] == "Sat 01:00 CEST"


def test_window_inside_the_skipped_hour_opens_the_week_after() -> None:
    gap = Window(days=(6,), start=time(2, 15), end=time(2, 45), zone="Europe/Berlin")
    assert weekly(gap).opens(berlin("2026-03-28 12:00")) == berlin("2026-04-05 02:15")


def test_repeated_hour_is_inside_twice() -> None:
    early = Window(days=(6,), start=time(2, 15), end=time(2, 45), zone="Europe/Berlin")
    begin, end = berlin("2026-10-25 00:00"), berlin("2026-10-26 00:00")
    at = datetime(2026, 10, 25, tzinfo=UTC)
    assert weekly(early).open_spans(begin, end) == [
        (at.replace(minute=15), at.replace(minute=45)),
        (at.replace(hour=1, minute=15), at.replace(hour=1, minute=45)),
    ]
    assert weekly(WEEKEND).open_spans(begin, end) == [
        (datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 4, tzinfo=UTC))
    ]


def test_windows_that_never_open_are_reported() -> None:
    nowhere = Window(days=(), start=time(1), end=time(2))
    assert weekly(nowhere).opens(datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert weekly(nowhere).next_start(datetime(2026, 1, 1, tzinfo=UTC), HOUR) is None
    refused = ask("2026-01-01", HOUR, nowhere)
    assert refused is not None
    assert refused.params["opens"] == "never"


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        ("2026-11-28 01:00", "Sat 01:00 CET"),
        ("2026-12-12 01:00", "Sat 12 Dec 01:00 CET"),
        ("2027-07-03 01:00", "Sat 3 Jul 2027 01:00 CEST"),
        ("2026-11-22 01:00", "Sun 22 Nov 01:00 CET"),
    ],
)
def test_time_is_shown_with_as_much_of_its_date_as_it_needs(moment: str, message: str) -> None:
    assert format_moment(berlin(moment), berlin("2026-11-25 12:00"), "Europe/Berlin") == message
