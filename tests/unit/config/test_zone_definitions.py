"""Time zones that only a calendar's VTIMEZONE defines: taken for the IANA zone that shows the same times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fleet.config.calendars.events import CalendarContent, read_events

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OUTLOOK = """BEGIN:STANDARD
DTSTART:16011104T020000
RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010311T020000
RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
END:DAYLIGHT"""
"""New York, as Outlook writes a zone that somebody has changed by hand."""


def a_fixed(offset: str) -> str:
    return (
        f"BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\nEND:STANDARD"
    )


def read(definition: str, name: str = "Customized Time Zone", quoted: bool = True) -> CalendarContent:
    parameter = f'"{name}"' if quoted else name
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:x",
        "BEGIN:VTIMEZONE",
        f"TZID:{name}",
        "X-LIC-LOCATION:anywhere",
        *definition.splitlines(),
        "END:VTIMEZONE",
        "BEGIN:VEVENT",
        "UID:1",
        f"DTSTART;TZID={parameter}:20260701T200000",
        "DURATION:PT1H",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return read_events("\r\n".join(lines), "", closes=True)


def zone_of(content: CalendarContent) -> str:
    assert not content.problems
    return content.events[0].window.zone


def same_times(name: str, other: str) -> bool:
    one, two = ZoneInfo(name), ZoneInfo(other)
    moments = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=step) for step in range(24 * 3650)]
    return all(moment.astimezone(one).utcoffset() == moment.astimezone(two).utcoffset() for moment in moments)


def definition_of(zone: ZoneInfo) -> str:
    """Returns a definition with every change of the clocks as a date of its own, in the time before it (RFC 5545, section
    3.6.5)."""
    moment, lines = datetime(2023, 1, 1, tzinfo=UTC), []
    before = moment.astimezone(zone).utcoffset() or timedelta()
    lines.append(a_change("19700101T000000", before, before))
    while moment.year < 2036:
        moment += timedelta(minutes=30)
        after = moment.astimezone(zone).utcoffset() or timedelta()
        if after != before:
            lines.append(a_change(f"{moment + before:%Y%m%dT%H%M%S}", before, after))
        before = after
    return "\n".join(lines)


def a_change(at: str, before: timedelta, after: timedelta) -> str:
    kind = "DAYLIGHT" if after > before else "STANDARD"
    texts = [
        f"{'-' if each < timedelta() else '+'}{abs(each) // HOUR:02}{abs(each) % HOUR // MINUTE:02}"
        for each in (before, after)
    ]
    return f"BEGIN:{kind}\nDTSTART:{at}\nTZOFFSETFROM:{texts[0]}\nTZOFFSETTO:{texts[1]}\nEND:{kind}"


@pytest.mark.parametrize("quoted", [True, False])
def test_zone_with_the_rules_of_a_known_one_is_that_one(quoted: bool) -> None:
    assert same_times(zone_of(read(OUTLOOK, quoted=quoted)), "America/New_York")


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_zone_that_is_found_shows_the_same_times_as_the_one_that_was_defined(name: str) -> None:
    assert same_times(zone_of(read(definition_of(ZoneInfo(name)))), name)


def test_same_name_in_another_calendar_is_another_zone() -> None:
    """Nothing of a calendar stays in the process."""
    zones = [zone_of(read(definition)) for definition in (OUTLOOK, a_fixed("+0545"), OUTLOOK)]
    shown = [ZoneInfo(zone).utcoffset(datetime(2026, 7, 1)) for zone in zones]  # noqa: DTZ001 - on the wall
    assert shown == [timedelta(hours=-4), timedelta(hours=5, minutes=45), timedelta(hours=-4)]


def test_known_name_is_the_zone_of_that_name_whatever_its_definition() -> None:
    assert zone_of(read(a_fixed("+0545"), name="Europe/Berlin")) == "Europe/Berlin"


@pytest.mark.parametrize(
    "definition",
    [
        a_fixed("+0017"),
        OUTLOOK.replace("YEARLY", "SECONDLY"),
        OUTLOOK.replace("FREQ=YEARLY;BYDAY=1SU;BYMONTH=11", "FREQ=YEARLY;BYHOUR=1"),
        OUTLOOK.replace("-0400", "soon"),
        OUTLOOK.replace("DTSTART:16011104T020000\n", ""),
        "\n".join([a_fixed("+0100")] * 90),
        "",
    ],
    ids=["nobody's offset", "every second", "odd part", "no offset", "no start", "too long", "empty"],
)
def test_zone_that_shows_the_times_of_no_known_one_is_a_mistake_of_the_event(definition: str) -> None:
    content = read(definition)
    assert not content.events
    assert len(content.problems) == 1 and "Customized Time Zone" in content.problems[0]


def test_definition_that_does_not_end_is_no_event() -> None:
    text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\n"
    assert not read_events(text, "", closes=True).events
