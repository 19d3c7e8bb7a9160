"""Reads freezes: those of the policy, and those that a calendar names."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from fleet.config.calendars.source import read_calendar
from fleet.config.document import forms, time_forms
from fleet.config.document.reader import Reader
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar, FreezeScope


class FreezeLists(NamedTuple):
    fixed: tuple[Freeze, ...] = ()
    calendars: tuple[FreezeCalendar, ...] = ()


def freezes(reader: Reader, pools: Collection[str]) -> FreezeLists:
    """Reads the list `freezes`. `pools`: the names of the pools."""
    fixed: list[Freeze] = []
    calendars: list[FreezeCalendar] = []
    names: set[str] = set()
    for block in reader.blocks("freezes"):
        name = block.required("name", forms.TEXT, "")
        if name and name in names:
            block.problem("expected each name once, found it again", "name")
        names.add(name)
        if block.has("calendar"):
            calendars.append(_calendar(block, name, pools))
        else:
            fixed.append(_freeze(block, name, pools))
    return FreezeLists(tuple(fixed), tuple(calendars))


def _freeze(reader: Reader, name: str, pools: Collection[str]) -> Freeze:
    zone = reader.value("zone", time_forms.zone(), "")
    form = time_forms.moment(zone)
    begin = reader.required("from", form, datetime.min.replace(tzinfo=UTC))
    until = reader.required("until", form, datetime.max.replace(tzinfo=UTC))
    reader.value("calendar", forms.TEXT, "")
    if until <= begin:
        reader.problem("expected a moment after from, found one that is not", "until")
    return Freeze(name, begin, until, _scope(reader, pools))


def _scope(reader: Reader, pools: Collection[str]) -> FreezeScope | UnsetType:
    """Reads the part of the fleet. Sites and clusters are known to the database alone: `fleet lint` checks their names."""
    given = FreezeScope(
        reader.values("sites", forms.NAME, required=reader.has("sites")),
        reader.values("clusters", forms.NAME, required=reader.has("clusters")),
        reader.values("pools", forms.one_of(frozenset(pools), "a pool of this policy")),
    )
    return given if given != FreezeScope() else UNSET


def _calendar(reader: Reader, name: str, pools: Collection[str]) -> FreezeCalendar:
    if wrong := next((key for key in ("from", "until") if reader.has(key)), None):
        reader.problem("expected a calendar alone, with its zone, found both", wrong)
    for key in ("from", "until"):
        reader.value(key, forms.TEXT, "")
    found = read_calendar(reader, freeze=f"freeze {name}")
    unread = (f"freeze {name}",) if found.never_read else ()
    return FreezeCalendar(name, tuple(found.events), unread, _scope(reader, pools))
