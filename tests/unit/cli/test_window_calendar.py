"""`fleet window`: windows and the days to come, for people, programs and calendars."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import msgspec
import pytest
from icalendar import Calendar
from msgspec.structs import replace

from fleet.app.reporting.window_calendar import preview
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.cli.views.windows.window_calendar import calendar_text, window_list
from fleet.cli.views.windows.window_ics import calendar_ics
from fleet.config.calendars.events import read_events
from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.window import RecurringWindow, Window, WindowLevel
from fleet.core.records.errors import UsageError
from fleet.core.reporting.ahead.window_calendar import ExpectedRollout, Place, WindowCalendar, window_calendar
from fleet.core.reporting.report import PlannedSpan
from tests.golden import GoldenFiles

BERLIN = "Europe/Berlin"
MONTHLY = RecurringWindow(
    datetime.fromisoformat("2026-01-13T22:00"), 5 * 3600, BERLIN, "FREQ=MONTHLY;BYDAY=2TU", 3 * 86400
)
WEEKEND = Window((5, 6), time(1), time(5), BERLIN)
POOL = Pool("workers", windows=(WEEKEND,), recurring=(MONTHLY,))
POLICY = Policy((POOL,))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(
    policy: Policy, begin: str, days: int, rollouts: tuple[ExpectedRollout, ...] = ()
) -> WindowCalendar:
    places = [Place("east", "fra"), Place("south", "fra"), Place("west", "nyc")]
    start = at(begin)
    return window_calendar(policy, policy.pools, places, start, start + timedelta(days=days), rollouts)


def test_calendar_shows_both_nights_of_changed_clocks_freezes_and_rollouts(golden: GoldenFiles) -> None:
    policy = replace(POLICY, freezes=(Freeze("stocktaking", at("2026-10-30"), at("2026-11-01")),))
    rollouts = (
        ExpectedRollout("r-17", "running", ("workers",), at("2026-10-23"), at("2026-10-25 02:30")),
        ExpectedRollout("p-9c41", "planned", ("workers",), at("2026-11-13 20:00"), None),
        ExpectedRollout("r-18", "running", ("other",), at("2026-10-23"), None),
    )
    golden.check(calendar_text(calendar(policy, "2026-10-23 12:00", 24, rollouts)).plain, "autumn")
    golden.check(calendar_text(calendar(policy, "2026-03-27 12:00", 3)).plain, "spring")


def test_no_day_is_shown_closed_where_the_calendar_does_not_reach() -> None:
    nightly = Window((0, 1, 2, 3, 4, 5, 6), time(22), time(4), BERLIN)
    policy = Policy((replace(POOL, windows=(nightly,)),))
    lines = calendar_text(calendar(policy, "2026-11-03 09:40", 2)).plain.splitlines()
    (first,) = (line for line in lines if line.startswith("Tue  3 Nov"))
    (last,) = (line for line in lines if line.startswith("Thu  5 Nov"))
    assert first[12:60] == " " * 21 + "." * 23 + "#" * 4
    assert last.rstrip()[12:] == "#" * 8 + "." * 14 + " " * 26 + "  00:00-04:00"
    midnight = calendar_text(calendar(policy, "2026-11-02 23:00", 2)).plain
    assert "Thu  5 Nov" not in midnight


def test_calendar_fits_80_columns() -> None:
    days = Window((0, 1, 2, 3, 4), time(9), time(9, 15), BERLIN)
    policy = Policy((replace(POOL, windows=(days, replace(days, start=time(17), end=time(17, 5)))),))
    lines = calendar_text(calendar(policy, "2026-10-01", 60)).plain.splitlines()
    assert max(map(len, lines)) <= 80


def test_clusters_with_the_same_windows_are_shown_together() -> None:
    policy = replace(POLICY, levels=(WindowLevel("site", "nyc", (WEEKEND,)),))
    found = calendar(policy, "2026-10-01", 30)
    both, west = found.pools
    assert (both.clusters, west.clusters) == (("east", "south"), ("west",))
    assert PlannedSpan(at("2026-10-16 20:00"), at("2026-10-17 03:00")) in both.spans
    assert PlannedSpan(at("2026-10-16 23:00"), at("2026-10-17 03:00")) in west.spans


def test_pool_without_windows_is_always_open_and_one_with_an_unread_calendar_never() -> None:
    plain, unread = Pool("plain"), Pool("unread", windows=(WEEKEND,), unread=("pools.unread.windows[1]",))
    found = calendar(Policy((plain, unread)), "2026-10-01", 30)
    assert [(times.always_open, times.spans) for times in found.pools] == [
        (True, (PlannedSpan(found.start, found.end),)),
        (False, ()),
    ]
    assert "pools.unread.windows[1] was never read" in calendar_text(found).plain


def test_ics_is_what_a_calendar_program_reads() -> None:
    policy = replace(POLICY, freezes=(Freeze("a, b; c\\d", at("2026-10-30"), at("2026-11-01")),))
    rollout = ExpectedRollout("r-17", "running", ("workers",), at("2026-10-23"), at("2026-10-25 02:30"))
    found = calendar(policy, "2026-10-23 12:00", 24, (rollout,))
    text = calendar_ics(found)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    events = Calendar.from_ical(text).walk("VEVENT")
    spans = {(str(event["SUMMARY"]), event.decoded("dtstart"), event.decoded("dtend")) for event in events}
    windows = {("window of pool workers", span.start, span.end) for span in found.pools[0].spans}
    assert len({str(event["UID"]) for event in events}) == len(events) == len(windows) + 2
    assert spans == windows | {
        ("freeze a, b; c\\d", at("2026-10-30"), at("2026-11-01")),
        ("rollout r-17 (running) of workers", at("2026-10-23"), at("2026-10-25 02:30")),
    }
    again = read_events(text, "", closes=False)
    assert not again.problems and len(again.events) == len(events)
    assert calendar_ics(found) == text


def test_list_shows_each_window_by_its_level_and_the_freezes(golden: GoldenFiles) -> None:
    policy = replace(
        POLICY,
        levels=(WindowLevel("fleet", "", (Window((0, 1, 2, 3, 4, 5, 6), time(20), time(6)),)),),
        freezes=(Freeze("year end", at("2026-12-24"), at("2027-01-04")),),
    )
    golden.check(window_list(policy, at("2026-11-30 21:00")).plain)
    assert "at any time" in window_list(Policy((Pool("p"),)), at("2026-11-30")).plain


@pytest.mark.parametrize("output", ["text", "json", "ics"])
def test_preview_needs_a_policy_and_no_cluster(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "pools: [{name: w, windows: [{from: 01:00, to: 02:00}]}, {name: v}]\n"
    )
    assert (
        run(["--home", str(tmp_path), "window", "preview", "--days", "2", "--pool", "w", "-o", output]) == 0
    )
    printed = capsys.readouterr().out
    if output == "json":
        found = msgspec.json.decode(printed, type=WindowCalendar)
        assert [times.pool for times in found.pools] == ["w"] and len(found.pools[0].spans) in (2, 3)
    assert "01:00-02:00" in printed or output != "text"
    assert Calendar.from_ical(printed).walk("VEVENT") if output == "ics" else True
    assert not (tmp_path / "fleet.db").exists()
    with pytest.raises(UsageError):
        preview(Home(tmp_path), ["x"], 2)
