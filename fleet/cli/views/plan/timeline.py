"""A plan as a table: a row for each node."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns
from fleet.cli.terminal.time_format import second
from fleet.core.planning.plan import (
    Plan,
    PlannedHold,
    PlannedRun,
)
from fleet.core.text.durations import format_duration


def plan_timeline(plan: Plan) -> Text:
    """Returns a row for each node, in the order in which they go, then those that are held; begin and end are those
    of a start at the time when the plan was made."""
    head = ("START UTC", "END UTC", "NODE", "CLUSTER", "ZONE", "STAGE", "DRAIN", "REBOOT", "SOAK", "PODS", "")
    rows = [*(_row(run, plan.start) for run in plan.runs), *(_held_row(hold) for hold in plan.held)]
    table = columns(head, rows, right=(0, 1, 5, 6, 7, 8, 9))
    return Text("\n").join(
        [table, Text("held: fleet plan without --timeline shows why.", "dim")] if plan.held else [table]
    )


def _held_row(held: PlannedHold) -> tuple[Cell, ...]:
    zone = held.goal.zone if held.goal is not None else ""
    return "held", "-", held.node, held.cluster, zone or "-", *("-",) * 5, f"{held.reason}"


def _row(run: PlannedRun, start: datetime) -> tuple[Cell, ...]:
    lengths: Counter[str] = Counter()
    for step in run.steps:
        lengths[step.step] += step.end - step.start  # type: ignore[assignment]
    moments = (start + timedelta(seconds=seconds) for seconds in (run.start, run.end))
    return (
        *(second(moment, start) for moment in moments),
        *(run.node, run.cluster, run.zone or "-"),
        *(format_duration(lengths[step]) for step in ("stage", "drain", "reboot", "soak")),
        str(len(run.evictions)),
        "canary" if run.canary else "",
    )
