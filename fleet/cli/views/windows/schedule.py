"""Prints what happens next, as a list: when, what, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns
from fleet.cli.terminal.time_format import ago, clock
from fleet.core.reporting.ahead.fleet_schedule import ComingEvent, FleetSchedule, LastRun
from fleet.core.text.durations import format_duration

TITLES = {
    "window-opens": "window opens",
    "window-closes": "window closes",
    "freeze-begins": "freeze begins",
    "freeze-ends": "freeze ends",
    "approval-lapses": "lapses",
    "gate": "ends",
    "job": "",
}


def schedule_text(found: FleetSchedule, run: str) -> Text:
    """Returns the list, two lines or more an entry. `run`: the command that starts a controller here."""
    if found.leader:
        lines = [Text(f"{found.leader} leads.")]
    else:
        lines = [
            Text("No controller leads: none of this happens by itself.", "yellow"),
            Text(f"  -> {run}"),
        ]
    if not found.events:
        return Text("\n").join([*lines, Text("Nothing is scheduled.")])
    table = columns(("WHEN (UTC)", "LOCAL", "WHAT"), [_row(each, found.at) for each in found.events])
    head, *rows = table.split("\n")
    lines += [Text(""), head]
    for row, event in zip(rows, found.events, strict=True):
        lines.append(row)
        lines += [Text(f"    {line}", "dim") for line in _details(event, found.at)]
    return Text("\n").join(lines)


def _row(event: ComingEvent, now: datetime) -> tuple[Cell, ...]:
    title = f"{event.subject} {TITLES[event.kind]}".strip()
    if event.kind.startswith(("window", "freeze")):
        title = f"{event.subject}: {TITLES[event.kind]}"
    if event.at is None:
        return "not known", "-", title
    due = event.kind == "job" and event.at <= now
    when = Text("due now", "yellow") if due else Text(clock(event.at, now).removesuffix(" UTC"))
    return when, _local(event.at, event.zone), title


def _local(moment: datetime, zone: str) -> str:
    """Returns the moment on the clocks of the zone: `Sat 01:00 CET`; `-` where no zone matters."""
    if zone in ("", "UTC"):
        return "-"
    return f"{moment.astimezone(ZoneInfo(zone)):%a %H:%M %Z}"


def _details(event: ComingEvent, now: datetime) -> Iterator[str]:
    yield event.why
    if event.kind == "job":
        yield from _last(event.last, now)


def _last(last: LastRun | None, now: datetime) -> Iterator[str]:
    if last is None:
        yield "it has never run"
        return
    late = (last.began - last.due).total_seconds()
    parts = [f"last run {ago(last.began, now)} ago"]
    if late >= 60:
        parts.append(f"{format_duration(late)} late")
    if last.missed:
        parts.append(f"once for {last.missed + 1} times")
    outcome = last.outcome if last.ended is not None else "not ended"
    yield f"{', '.join(parts)}: {outcome}{f', {last.message}' if last.message else ''}"
