"""Reads freezes: those of the policy, and those that a calendar names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fleet.config.calendars.source import read_calendar
from fleet.config.document import forms, time_forms
from fleet.config.document.reader import Reader
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar


class FreezeLists(NamedTuple):
    fixed: tuple[Freeze, ...] = ()
    calendars: tuple[FreezeCalendar, ...] = ()


def freezes(reader: Reader) -> FreezeLists:
    """Reads the list `freezes`."""
    fixed: list[Freeze] = []
    calendars: list[FreezeCalendar] = []
    names: set[str] = set()
    for block in reader.blocks("freezes"):
        name = block.required("name", forms.TEXT, "")
        if name and name in names:
            block.problem("expected each name once, found it again", "name")
        names.add(name)
        if block.has("calendar"):
            calendars.append(_calendar(block, name))
        else:
            fixed.append(_freeze(block, name))
    return FreezeLists(tuple(fixed), tuple(calendars))


def _freeze(reader: Reader, name: str) -> Freeze:
    zone = reader.value("zone", time_forms.zone(), "")
    form = time_forms.moment(zone)
    begin = reader.required("from", form, datetime.min.replace(tzinfo=UTC))
    until = reader.required("until", form, datetime.max.replace(tzinfo=UTC))
    reader.value("calendar", forms.TEXT, "")
    if until <= begin:
        reader.problem("expected a moment after from, found one that is not", "until")
    return Freeze(name, begin, until)


def _calendar(reader: Reader, name: str) -> FreezeCalendar:
    if wrong := next((key for key in ("from", "until") if reader.has(key)), None):
        reader.problem("expected a calendar alone, with its zone, found both", wrong)
    for key in ("from", "until"):
        reader.value(key, forms.TEXT, "")
    found = read_calendar(reader, closes=True)
    return FreezeCalendar(name, tuple(found.events), (f"freeze {name}",) if found.never_read else ())
