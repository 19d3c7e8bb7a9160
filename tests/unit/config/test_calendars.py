"""Calendars of others as windows and freezes, with what such calendars and libraries for them get wrong."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from fleet.config import loads
from fleet.config.calendars.events import CalendarContent, read_events
from fleet.config.calendars.source import copy_of
from fleet.config.document.findings import Caution
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.window import RecurringWindow
from fleet.core.policy.windows import LevelWindows, OpenSpan
from fleet.core.records.errors import ConfigError
from fleet.core.records.reasons.reason import Reason

CALENDARS = Path(__file__).parent / "calendars"
FEED = "https://calendar.example.org/private-5ecre7/basic.ics"
BERLIN = ZoneInfo("Europe/Berlin")


def calendar(*events: str, head: str = "") -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//x//EN", *filter(None, [head])]
    for number, event in enumerate(events):
        own = [line.strip() for line in event.strip().splitlines()]
        uid = [] if any(line.startswith("UID") for line in own) else [f"UID:{number}"]
        lines += ["BEGIN:VEVENT", *uid, *own, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def windows(*events: str, zone: str = "") -> CalendarContent:
    return read_events(calendar(*events), zone, closes=False)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def spans(content: CalendarContent, begin: str, end: str) -> list[OpenSpan]:
    assert not content.problems
    level = LevelWindows("x", (), [event.window for event in content.events])
    return level.inside(at(begin), at(end))


def freezes(content: CalendarContent, begin: str, end: str) -> list[Freeze]:
    assert not content.problems
    return Freezes((), [FreezeCalendar("holidays", tuple(content.events))]).during(at(begin), at(end))


def berlin(begin: str, end: str) -> OpenSpan:
    return at(begin, "Europe/Berlin"), at(end, "Europe/Berlin")


def test_public_holidays_as_google_publishes_them_are_freezes() -> None:
    content = read_events((CALENDARS / "google_holidays.ics").read_text(), "", closes=True)
    assert freezes(content, "2026-11-01", "2027-06-01") == [
        Freeze("holidays: Christmas, three days", *berlin("2026-12-24", "2026-12-27")),
        Freeze("holidays: Labour Day", *berlin("2027-05-01", "2027-05-02")),
    ]


def test_windows_as_outlook_publishes_them() -> None:
    content = read_events((CALENDARS / "outlook_windows.ics").read_text(), "", closes=False)
    assert spans(content, "2026-10-01", "2027-04-01") == [
        berlin("2026-10-13 22:00", "2026-10-14 03:00"),
        berlin("2026-11-10 22:00", "2026-11-11 03:00"),
        berlin("2027-01-13 22:00", "2027-01-14 03:00"),
        berlin("2027-03-09 22:00", "2027-03-10 03:00"),
    ]
    assert spans(content, "2027-12-01", "2030-01-01") == [berlin("2027-12-14 22:00", "2027-12-15 03:00")]


def test_a_zone_of_an_earlier_calendar_rules_no_later_one() -> None:
    """The first VTIMEZONE of a name rules all later calendars of a process in icalendar 7.3."""
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
        "TZOFFSETFROM:{0}\r\nTZOFFSETTO:{0}\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )
    event = "DTSTART;TZID=Europe/Berlin:20260701T220000\nDTEND;TZID=Europe/Berlin:20260702T000000"
    for offset in ("+0900", "-0500"):
        content = read_events(calendar(event, head=zone.format(offset)), "", closes=False)
        assert spans(content, "2026-06-01", "2026-08-01") == [berlin("2026-07-01 22:00", "2026-07-02 00:00")]


@pytest.mark.parametrize(
    "name",
    [
        "/freeassociation.sourceforge.net/Europe/Berlin",
        '"Europe/Berlin"',
        "W. Europe Standard Time",
        "/example.org/20261101/Europe/Berlin",
    ],
)
def test_a_zone_has_several_spellings(name: str) -> None:
    content = windows(f"DTSTART;TZID={name}:20260701T220000\nDURATION:PT2H")
    assert spans(content, "2026-06-01", "2026-08-01") == [berlin("2026-07-01 22:00", "2026-07-02 00:00")]


def test_a_duration_is_a_time_on_the_wall_clock_in_both_nights() -> None:
    nightly = "DTSTART;TZID=Europe/Berlin:20260101T013000\nDURATION:PT2H\nRRULE:FREQ=DAILY"
    content = windows(nightly)
    assert spans(content, "2026-03-29", "2026-03-29 12:00") == [
        (at("2026-03-29 00:30"), at("2026-03-29 01:30"))
    ]
    assert spans(content, "2026-10-24 12:00", "2026-10-25 12:00") == [
        (at("2026-10-24 23:30"), at("2026-10-25 02:30"))
    ]


def test_days_and_times_without_a_zone_are_in_that_of_the_policy_or_of_the_calendar() -> None:
    floating, day = "DTSTART:20260701T220000\nDURATION:PT1H", "DTSTART;VALUE=DATE:20260703"
    berlins = [berlin("2026-07-01 22:00", "2026-07-01 23:00"), berlin("2026-07-03", "2026-07-04")]
    assert spans(windows(floating, day, zone="Europe/Berlin"), "2026-07-01", "2026-08-01") == berlins
    own = read_events(calendar(floating, day, head="X-WR-TIMEZONE:Europe/Berlin"), "", closes=False)
    assert spans(own, "2026-07-01", "2026-08-01") == berlins
    assert spans(windows(floating), "2026-07-01", "2026-08-01") == [
        (at("2026-07-01 22:00"), at("2026-07-01 23:00"))
    ]


def test_dates_are_added_and_taken_away_also_in_other_zones() -> None:
    content = windows("""
        DTSTART;TZID=Europe/Berlin:20260105T220000
        DTEND;TZID=Europe/Berlin:20260105T230000
        RRULE:FREQ=WEEKLY;COUNT=4
        EXDATE:20260112T210000Z
        EXDATE;VALUE=DATE:20260119
        RDATE:20260120T210000Z
        RDATE;VALUE=PERIOD:20260121T210000Z/PT3H
    """)
    assert spans(content, "2026-01-01", "2026-03-01") == [
        berlin("2026-01-05 22:00", "2026-01-05 23:00"),
        berlin("2026-01-20 22:00", "2026-01-20 23:00"),
        berlin("2026-01-21 22:00", "2026-01-22 01:00"),
        berlin("2026-01-26 22:00", "2026-01-26 23:00"),
    ]


def test_a_cancelled_event_and_its_overrides_do_not_count() -> None:
    master = "UID:a\nDTSTART:20260105T220000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nSTATUS:{}\nSEQUENCE:{}"
    moved = "UID:a\nRECURRENCE-ID:20260107T220000Z\nDTSTART:20260107T100000Z\nDURATION:PT1H"
    assert not windows(master.format("cancelled", 0), moved).events
    assert not windows(master.format("CONFIRMED", 0), master.format("CANCELLED", 1)).events
    assert windows(master.format("CONFIRMED", 2), master.format("CANCELLED", 1)).events
    found = spans(windows(master.format("CONFIRMED", 0), moved), "2026-01-06", "2026-01-09")
    assert [begin.hour for begin, _ in found] == [22, 10, 22]


def test_a_begin_outside_its_rule_is_a_freeze_and_no_window() -> None:
    event = calendar("SUMMARY:odd\nDTSTART:20260101T220000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=2TU")
    opens, shuts = read_events(event, "", closes=False), read_events(event, "", closes=True)
    assert [begin.day for begin, _ in spans(opens, "2026-01-01", "2026-02-01")] == [13]
    assert [each.begin.day for each in freezes(shuts, "2026-01-01", "2026-02-01")] == [1, 13]
    assert "'odd'" in opens.cautions[0] and "'odd'" in shuts.cautions[0]


def test_an_event_that_cannot_be_understood_is_a_mistake_and_not_left_out() -> None:
    content = windows(
        "SUMMARY:a\nDTSTART:2026x",
        "SUMMARY:b\nDTSTART:20260101T000000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY",
        "SUMMARY:c\nDTSTART;TZID=Middle/Earth:20260101T000000\nDURATION:PT1H",
        "SUMMARY:d\nDURATION:PT1H",
        "SUMMARY:e\nDTSTART:20260102T000000Z\nDTEND:20260101T000000Z",
        "SUMMARY:f\nDTSTART:20260101T000000Z\nDTEND:20290101T000000Z",
        "UID:g\nSUMMARY:g\nDTSTART:20260101T000000Z\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260101T000000Z",
        "SUMMARY:h\nDTSTART:20260101T000000Z\nDURATION:PT1H\nEXRULE:FREQ=DAILY",
        "SUMMARY:" + "i" * 500 + "\nDTSTART:20260101T000000Z\nDURATION:bad",
    )
    assert not content.events
    assert ["abcdefghi"[index] in each for index, each in enumerate(content.problems)] == [True] * 9
    assert all(len(each) < 160 and each.isprintable() for each in content.problems)
    assert all(each.count("event ") == 1 for each in content.problems), "each names its event once"


@pytest.mark.parametrize(
    "text", ["", "hello", "BEGIN:VEVENT\r\nEND:VEVENT\r\n", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "\x00"]
)
def test_what_is_no_calendar_is_a_mistake(text: str) -> None:
    assert read_events(text, "", closes=True).problems


def test_a_hostile_calendar_is_a_mistake_and_never_an_error() -> None:
    tokens = (
        "BEGIN:VEVENT",
        "END:VEVENT",
        "TZID=",
        "DTSTART",
        "RRULE:",
        "FREQ=",
        "T",
        ":",
        ";",
        ",",
        "\n",
        "\\",
        "P",
        "-",
    )
    more = (
        "VALUE=PERIOD",
        "RDATE",
        "EXDATE",
        "RECURRENCE-ID",
        "UNTIL=",
        "COUNT=99999999999",
        "00010101T000000Z",
        "99991231",
    )
    rng = Random(7)
    texts = [path.read_text() for path in sorted(CALENDARS.glob("*.ics"))]
    for _ in range(300):
        text = rng.choice(texts)
        for _ in range(rng.randint(1, 6)):
            index = rng.randrange(len(text))
            text = text[:index] + rng.choice(tokens + more) + text[index + rng.randint(0, 12) :]
        content = read_events(text, "", closes=rng.random() < 0.5)
        assert all(each.isprintable() for each in (*content.problems, *content.cautions))
        Freezes((), [FreezeCalendar("f", tuple(content.events))]).during(at("2026-01-01"), at("2026-03-01"))


def test_a_calendar_has_a_bounded_number_of_events() -> None:
    event = "DTSTART:20260101T000000Z\nDURATION:PT1H"
    assert len(windows(*[event] * 1000).events) == 1000
    (problem,) = windows(*[event] * 1001).problems
    assert "1000" in problem


def policy(folder: Path, text: str) -> tuple[Policy, tuple[Caution, ...]]:
    return loads(text + "\npools: [{name: w}]\n", str(folder / "fleet.yaml"))


def a_file(folder: Path, text: str) -> None:
    (folder / "c.ics").write_text(text)


NIGHT = "SUMMARY:night\nDTSTART;TZID=Europe/Berlin:20260101T220000\nDURATION:PT2H\nRRULE:FREQ=DAILY"


def test_a_calendar_in_a_file_beside_the_policy_is_windows_or_freezes(tmp_path: Path) -> None:
    a_file(tmp_path, calendar(NIGHT))
    found, cautions = policy(tmp_path, "freezes: [{name: f, calendar: c.ics}]\nwindows: [{calendar: c.ics}]")
    window = RecurringWindow(datetime.fromisoformat("2026-01-01T22:00"), 7200, "Europe/Berlin", "FREQ=DAILY")
    assert not cautions
    assert found.calendars == (FreezeCalendar("f", (("night", window),)),)
    assert isinstance(found.levels, tuple) and found.levels[0].recurring == (
        replace(window, calendar="c.ics"),
    )
    held = Schedules(found).of("w", "", "").held(at("2026-07-01 20:30"), timedelta(minutes=1))
    assert held is not None and (held.reason, held.subject) == (Reason.FREEZE, "f: night")
    assert held.params["until"] == "Thu 00:00 CEST"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("freezes: [{name: f, calendar: none.ics}]", "freezes.f.calendar"),
        ("freezes: [{name: f, calendar: bad.ics}]", "freezes.f.calendar"),
        ("freezes: [{name: f, calendar: c.ics, from: 2026-01-01}]", "freezes.f.from"),
        ("windows: [{calendar: empty.ics}]", "windows[0].calendar"),
        ("windows: [{calendar: c.ics, days: mon}]", "windows[0].days"),
        ("windows: [{calendar: 'http://example.org/private-5ecre7.ics'}]", "windows[0].calendar"),
        ("windows: [{calendar: 'https://me:5ecre7@example.org/a.ics'}]", "windows[0].calendar"),
        ("windows: [{calendar: 'ftp://example.org/5ecre7'}]", "windows[0].calendar"),
    ],
)
def test_a_mistake_in_a_calendar_is_one_of_the_policy_at_its_line(
    tmp_path: Path, text: str, key: str
) -> None:
    a_file(tmp_path, calendar(NIGHT))
    (tmp_path / "bad.ics").write_text(calendar("SUMMARY:x\nDTSTART:never"))
    (tmp_path / "empty.ics").write_text(calendar())
    with pytest.raises(ConfigError) as caught:
        policy(tmp_path, text)
    assert any(f"fleet.yaml:1: {key}: " in each for each in caught.value.problems), caught.value.problems
    assert "5ecre7" not in str(caught.value.problems)


def test_a_feed_that_was_never_read_holds_every_new_run(tmp_path: Path) -> None:
    found, _ = policy(tmp_path, f"freezes: [{{name: f, calendar: '{FEED}'}}]")
    schedule = Schedules(found).of("w", "", "")
    held = schedule.held(at("2026-07-01"), timedelta())
    assert held is not None and (held.reason, held.subject) == (Reason.CALENDAR_UNREAD, "freeze f")
    assert held.needs_action and schedule.next_start(at("2026-07-01"), timedelta()) is None
    assert "5ecre7" not in repr(found)


def test_a_feed_of_windows_that_was_never_read_opens_nothing(tmp_path: Path) -> None:
    text = f"pools: [{{name: w, windows: [{{calendar: '{FEED}'}}]}}]"
    found, _ = loads(text, str(tmp_path / "fleet.yaml"))
    held = Schedules(found).of("w", "", "").held(at("2026-07-01"), timedelta())
    assert held is not None and (held.reason, held.subject) == (Reason.CALENDAR_UNREAD, "pools.w.windows[0]")


def test_the_last_copy_of_a_feed_counts_and_its_age_is_told_once_it_cannot_be_read(tmp_path: Path) -> None:
    copy = copy_of(tmp_path, FEED)
    copy.text.parent.mkdir()
    copy.text.write_text(calendar(NIGHT))
    os.utime(copy.text, (at("2026-11-28 10:02").timestamp(),) * 2)
    text = f"freezes: [{{name: f, calendar: '{FEED}'}}]"
    found, cautions = policy(tmp_path, text)
    assert isinstance(found.calendars, tuple) and found.calendars[0].events and not cautions
    copy.error.write_text("the server answers 503\n")
    again, (caution,) = policy(tmp_path, text)
    assert again == found
    assert all(word in caution.message for word in ("calendar.example.org", "503", "2026-11-28 10:02 UTC"))
    assert "5ecre7" not in caution.message
