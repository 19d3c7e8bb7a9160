"""A report of a span as one HTML page, in the style of a rollout's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fleet.cli.report import answer, approvals, hooks, period_answer
from fleet.cli.report.changes.change_row import changes
from fleet.cli.report.changes.person import person
from fleet.cli.report.page import document, source
from fleet.cli.report.timeline import percent
from fleet.core.reporting.period.period_report import FreezeInForce, PeriodReport
from fleet.core.reporting.period.span import ReportSpan
from fleet.core.reporting.report import Report

TICKS = 13
"""The most labels of the calendar's axis."""
TICK_DAYS = (1, 2, 7, 14, 28, 91, 182, 365)
SHORTEST = 0.004
"""The least width of a bar, as a share of the axis: a rollout of an hour in a quarter must still be seen."""


class CalendarBar(NamedTuple):
    """A stretch of the calendar, in percent of its width."""

    left: str
    width: str
    title: str


class CalendarRow(NamedTuple):
    """One rollout in the calendar."""

    report: Report
    bar: CalendarBar
    windows: tuple[CalendarBar, ...]


class CalendarTick(NamedTuple):
    left: str
    words: str


class Calendar(NamedTuple):
    """The rollouts of the span, with the freezes behind them."""

    rows: tuple[CalendarRow, ...]
    freezes: tuple[CalendarBar, ...]
    ticks: tuple[CalendarTick, ...]
    now: str
    """The place of the moment at which the report was made, in percent of the span; empty: after the span."""


def page(report: PeriodReport) -> str:
    """Returns the whole HTML document."""
    several = len({run.cluster for rollout in report.rollouts for run in rollout.runs}) > 1
    endings = dict.fromkeys(run.ending for rollout in report.rollouts for run in rollout.runs)
    return document(
        "period.html",
        source("period.css"),
        report=report,
        answer=answer,
        approvals=approvals,
        hooks=hooks,
        sentences=period_answer,
        clock=_clock(report.span),
        calendar=calendar(report),
        changes=changes(report),
        person=person,
        several=several,
        endings=list(endings),
    )


def calendar(report: PeriodReport) -> Calendar:
    """Lays out the rollouts and freezes over the span."""
    span = report.span
    made = _share(report.at, span)
    return Calendar(
        rows=tuple(_row(each, report) for each in report.rollouts),
        freezes=tuple(_bar(span, each.begin, each.until, _freeze_name(each)) for each in report.freezes),
        ticks=tuple(_ticks(span)),
        now=percent(made) if report.at < span.end else "",
    )


def _row(rollout: Report, report: PeriodReport) -> CalendarRow:
    end = rollout.ended or min(report.at, report.span.end)
    title = (
        f"{rollout.rollout} to {rollout.target.version}, {answer.day(rollout.started)} to {answer.day(end)}"
    )
    windows = (
        _bar(report.span, each.start, each.end, f"window of {pool.name}")
        for pool in rollout.pools
        for each in pool.windows
    )
    return CalendarRow(rollout, _bar(report.span, rollout.started, end, title), tuple(windows))


def _bar(span: ReportSpan, begin: datetime, end: datetime, title: str) -> CalendarBar:
    left, right = _share(begin, span), _share(end, span)
    left = min(left, 1 - SHORTEST)
    return CalendarBar(percent(left), percent(max(right - left, SHORTEST)), title)


def _share(moment: datetime, span: ReportSpan) -> float:
    """Returns the moment's share of the span, 0 to 1; what is outside counts as the edge."""
    return min(1.0, max(0.0, (moment - span.begin) / (span.end - span.begin)))


def _ticks(span: ReportSpan) -> Iterator[CalendarTick]:
    """Yields days at equal distances; weeks begin on Mondays."""
    whole = (span.end - span.begin) / timedelta(days=1)
    step = next((days for days in TICK_DAYS if whole / days <= TICKS), TICK_DAYS[-1])
    moment = span.begin + timedelta(days=-span.begin.weekday() % 7 if step % 7 == 0 else 0)
    while moment < span.end:
        yield CalendarTick(percent(_share(moment, span)), f"{moment.day} {moment:%b}")
        moment += timedelta(days=step)


def _clock(span: ReportSpan) -> Callable[[datetime], str]:
    """Returns what formats a moment of the span: `2 Nov 02:14`, with the year where the span has several."""
    years = span.begin.year != (span.end - timedelta.resolution).year

    def clock(moment: datetime) -> str:
        utc = moment.astimezone(UTC)
        year = f" {utc.year}" if years else ""
        return f"{utc.day} {utc:%b}{year} {utc:%H:%M}"

    return clock


def _freeze_name(freeze: FreezeInForce) -> str:
    return f"freeze {freeze.name} ({freeze.where})" if freeze.where else f"freeze {freeze.name}"
