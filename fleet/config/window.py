"""Reads maintenance windows and freezes."""

from __future__ import annotations

from datetime import UTC, datetime, time

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.core.policy.policy import Freeze, Window

EACH_DAY = tuple(range(7))


def window(reader: Reader) -> Window:
    """Reads a weekly window. An end at or before the start is on the next day."""
    groups = reader.values("days", forms.WEEKDAYS, required=reader.has("days"))
    days = tuple(sorted({day for group in groups for day in group})) if groups else EACH_DAY
    start = reader.required("from", forms.CLOCK_TIME, time())
    end = reader.required("to", forms.END_TIME, None)
    zone = reader.value("zone", forms.zone(), "UTC")
    if start == end and reader.has("from"):
        reader.problem(
            f"expected another time than from, found {end:%H:%M} (a whole day is 00:00 to 24:00)", "to"
        )
    return Window(days, start, time() if end is None else end, zone)


def freezes(reader: Reader) -> tuple[Freeze, ...]:
    found: dict[str, Freeze] = {}
    for block in reader.blocks("freezes"):
        freeze = _freeze(block)
        if freeze.name and freeze.name in found:
            block.problem("expected each name once, found it again", "name")
        found[freeze.name] = freeze
    return tuple(found.values())


def _freeze(reader: Reader) -> Freeze:
    name = reader.required("name", forms.TEXT, "")
    zone = reader.value("zone", forms.zone(), "")
    form = forms.moment(zone)
    begin = reader.required("from", form, datetime.min.replace(tzinfo=UTC))
    until = reader.required("until", form, datetime.max.replace(tzinfo=UTC))
    if until <= begin:
        reader.problem("expected a moment after from, found one that is not", "until")
    return Freeze(name, begin, until)
