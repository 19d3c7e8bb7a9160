"""Reads the part `schedule`: how often a controller does what it does again and again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.core.jobs.repeat import CalendarPeriod
from fleet.core.jobs.settings import ReportFormat, ReportRule, ScheduleSettings
from fleet.core.reporting.period.deadline import deadline
from fleet.core.text.paths import expanded

PERIODS: dict[str, CalendarPeriod] = {"week": "week", "month": "month", "quarter": "quarter"}
FORMATS: dict[str, ReportFormat] = {
    "html": "html",
    "json": "json",
    "markdown": "markdown",
    "csv": "csv",
    "oscal": "oscal",
    "pdf": "pdf",
}
LEAST = 60
"""The shortest interval, in seconds: servers of others are asked."""


def schedule(reader: Reader, pools: Collection[str]) -> ScheduleSettings:
    """Reads the intervals, and the reports that are written when a period has ended. `pools`: the names of the pools."""
    found = ScheduleSettings()
    interval = forms.seconds(LEAST)
    return ScheduleSettings(
        reader.value("calendars", interval, found.calendars),
        reader.value("feeds", interval, found.feeds),
        reader.value("policies", interval, found.policies),
        tuple(_reports(reader.blocks("reports"), pools)),
    )


def _reports(blocks: Sequence[Reader], pools: Collection[str]) -> Iterator[ReportRule]:
    known: set[tuple[str, ...]] = set()
    for block in blocks:
        rule = _report(block, pools)
        key = (rule.every, rule.format, *rule.pools)
        if key in known:
            block.problem("expected each report once (by every, pools and format), found it again")
        known.add(key)
        yield rule


def _report(reader: Reader, pools: Collection[str]) -> ReportRule:
    every = reader.required("every", forms.choice(PERIODS), PERIODS["quarter"])
    folder = reader.value("folder", forms.TEXT, "reports")
    form = reader.value("format", forms.choice(FORMATS), FORMATS["html"])
    within = reader.value("within", forms.TEXT, "pci-dss")
    try:
        deadline(within, "release")
    except ValueError as wrong:
        reader.problem(str(wrong), "within")
    place = reader.folder / expanded(folder)
    return ReportRule(
        every, str(place), form, reader.values("pools", forms.one_of(pools, "a pool of this policy")), within
    )
