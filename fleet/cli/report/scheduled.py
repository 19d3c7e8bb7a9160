"""Reports that a controller writes when a week, a month or a quarter has ended (`schedule.reports` of the policy)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from fleet.app.reporting.period import report_of_span
from fleet.app.wiring.home import Home
from fleet.cli.report.period_content import ReportForm, period_content
from fleet.core.jobs.job import JobRun
from fleet.core.jobs.repeat import CalendarPeriod, PeriodEnd, begin_of
from fleet.core.records.errors import FleetError
from fleet.core.reporting.period.deadline import deadline
from fleet.core.reporting.period.span import ReportSpan, days, quarter_of
from fleet.system.files import beside

ENDINGS = {
    "html": "html",
    "json": "json",
    "markdown": "md",
    "csv": "csv",
    "oscal": "oscal.json",
    "pdf": "pdf",
}
"""The end of a report's file name by its form."""
MODE = 0o640


def write(home: Home, run: JobRun, *, every: str, folder: str, form: str, pools: str, within: str) -> str:
    """Writes the report of every period that has ended since the last run, and returns the files. `pools`: their names with
    commas between; empty for the whole fleet.

    A file that exists is left as it is: it may have been signed and sent. Raises FleetError where one cannot be written.
    """
    period, names = cast("CalendarPeriod", every), pools.split(",") if pools else []
    rule = deadline(within, "release")
    written = []
    for end in PeriodEnd(period).ends(run.due, run.at):
        span = span_before(period, end)
        path = Path(folder) / file_name(span, names, form)
        if path.exists():
            written.append(f"{path} exists and is left as it was")
            continue
        made = period_content(home, report_of_span(home, span, names, rule), cast("ReportForm", form))
        _write_new(path, made.content)
        why = made.unsigned.partition("\n")[0]
        written.append(f"wrote {path}" + (f"; {why}" if why else ""))
    return "; ".join(written)


def span_before(period: CalendarPeriod, end: datetime) -> ReportSpan:
    """Returns the period that ends then."""
    last = end - timedelta(days=1)
    if period == "quarter":
        return quarter_of(last)
    return days(f"{begin_of(period, last):%Y-%m-%d}", f"{last:%Y-%m-%d}")


def file_name(span: ReportSpan, pools: list[str], form: str) -> str:
    """Returns such as `fleet-2026Q4.html` or `web-2026-11-01-to-2026-11-30.json`."""
    return f"{'+'.join(pools) or 'fleet'}-{span.name.replace(' ', '-')}.{ENDINGS[form]}"


def _write_new(path: Path, content: bytes) -> None:
    """Writes a file that does not exist yet, whole or not at all. Raises FleetError."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o750)
        with beside(path, content, MODE) as part:
            # Unlike a rename, a link never takes the place of a file that another process has written meanwhile.
            path.hardlink_to(part)
    except OSError as error:
        raise FleetError(
            f"the report {path} is not written: {error.strerror or error}",
            "check schedule.reports.folder, its owner and its disk",
        ) from error
