"""Reads freezes."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.config.document import forms, time_forms
from fleet.config.document.reader import Reader
from fleet.core.policy.policy import Freeze


def freezes(reader: Reader) -> tuple[Freeze, ...]:
    found: dict[str, Freeze] = {}
    for each in reader.blocks("freezes"):
        freeze = _freeze(each)
        if freeze.name and freeze.name in found:
            each.problem("expected each name once, found it again", "name")
        found[freeze.name] = freeze
    return tuple(found.values())


def _freeze(reader: Reader) -> Freeze:
    name = reader.required("name", forms.TEXT, "")
    zone = reader.value("zone", time_forms.zone(), "")
    form = time_forms.moment(zone)
    begin = reader.required("from", form, datetime.min.replace(tzinfo=UTC))
    until = reader.required("until", form, datetime.max.replace(tzinfo=UTC))
    if until <= begin:
        reader.problem("expected a moment after from, found one that is not", "until")
    return Freeze(name, begin, until)
