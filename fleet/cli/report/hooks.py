"""The hooks of a report, as lines and parts of a page show them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fleet.core.reporting.report import Report, ReportRun
from fleet.core.rollout.hooks.hook_runs import HookRun
from fleet.core.text.durations import format_duration

OUTPUT_LINES = 10
"""Lines of a failed hook's output. The JSON and the page have all that the journal kept."""


def of_node(run: ReportRun) -> tuple[HookRun, ...]:
    """Returns the attempts of the node's hooks."""
    return run.hooks or ()


def of_rollout(report: Report) -> tuple[HookRun, ...]:
    """Returns the attempts of the hooks of the rollout and its stages."""
    return report.hooks or ()


def words(run: HookRun) -> str:
    """Returns what became of an attempt: `smoke after the node passed in 2s: exit code 0`."""
    place = run.moment.replace("_", " the ")
    place = f"{place} {run.stage}" if run.stage else place
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    if run.seconds is None:
        return f"{run.hook} {place}{attempt} has not ended"
    ended = f"{run.hook} {place}{attempt} {run.result} in {format_duration(run.seconds)}"
    return f"{ended}: {run.message}" if run.message else ended


def all_of(report: Report) -> Iterator[tuple[datetime, str, HookRun]]:
    """Yields when each attempt began, the node with a blank behind or an empty text, and the attempt."""
    found = [(run.start, "", run) for run in of_rollout(report)]
    for node in report.runs:
        name = node.node if len(report.clusters) == 1 else f"{node.cluster}/{node.node}"
        found += [(run.start, f"{name} ", run) for run in of_node(node)]
    yield from sorted(found, key=lambda each: each[0])
