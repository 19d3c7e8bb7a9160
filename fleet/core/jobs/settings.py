"""The settings of scheduled jobs: the part `schedule` of the policy file. They are no part of a plan."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.jobs.repeat import CalendarPeriod

ReportFormat = Literal["html", "json", "markdown", "csv", "oscal", "pdf"]


class ReportRule(Struct, frozen=True):
    """A report that is written when each week, month or quarter has ended."""

    every: CalendarPeriod
    folder: str
    """The absolute path of the folder into which the reports are written."""
    format: ReportFormat = "html"
    pools: tuple[str, ...] = ()
    """Empty: the whole fleet."""
    within: str = "pci-dss"
    """How soon a release has to be on the nodes: a number of days, or a preset."""


class ScheduleSettings(Struct, frozen=True):
    """Says how often a controller does what it does again and again. Seconds."""

    calendars: int = 3600
    feeds: int = 3600
    policies: int = 60
    """How often each standing policy is decided about."""
    reports: tuple[ReportRule, ...] = ()
