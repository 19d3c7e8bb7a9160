"""Prints how long a plan takes: its end, its spread, its bound, and what its times rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.text import Text

from fleet.cli.terminal.time_format import clock
from fleet.cli.views.plan.line import count_nodes, fact
from fleet.cli.views.windows.window_text import levels_of, window_text
from fleet.core.planning.estimates import ENOUGH_TO_SPREAD, POD_PARTS, Estimate
from fleet.core.planning.plan import (
    Effort,
    Plan,
)
from fleet.core.planning.window_use import windows_used
from fleet.core.text.durations import format_duration

MOST_WINDOWS = 4
"""The most windows that one line names; `fleet window list` has all."""
SOON = 60
"""A plan whose first run begins within so many seconds begins at once."""


def effort_of(effort: Effort) -> str:
    """Returns what the search for a better order has brought."""
    if not effort.orders:
        return "none: this order is at its bound, or the search would have taken too long"
    tried = f"{effort.orders} more order{'s' * (effort.orders > 1)} tried"
    return (
        f"{tried}, the best takes {format_duration(effort.saved_seconds)} less than the first"
        if (effort.saved_seconds >= 1)
        else f"{tried}, none takes less than the first"
    )


def takes(plan: Plan, now: datetime) -> str:
    """Returns how long the plan takes, with the moment at which it would end, had it been started as it was made."""
    first = min((step.start for run in plan.runs for step in run.steps if step.step != "stage"), default=0.0)
    begins = f"first node goes out in {format_duration(first)} ({_clock(plan, first, now)})"
    levels = list(levels_of(plan.policy, plan.pools))
    several = len(levels) > 1
    windows = dict.fromkeys(
        f"{window_text(window)}{f' ({name})' if several else ''}"
        for name, found in levels
        for window in found
    )
    shown = sorted(windows)[:MOST_WINDOWS]
    if len(windows) > MOST_WINDOWS:
        shown.append(f"{len(windows) - MOST_WINDOWS} more")
    moments = [
        f"{format_duration(plan.makespan_seconds)} until {_clock(plan, plan.makespan_seconds, now)}",
        "at the earliest now" if first <= SOON else begins,
    ]
    return ", ".join([*moments, *([f"in window {'; '.join(shown)}"] if windows else [])])


def windows_line(plan: Plan, now: datetime) -> Iterator[Text]:
    """Yields over how many windows the plan spreads, if these are several."""
    used = windows_used(plan)
    if len(used) > 1:
        counts = ", ".join(str(each.runs) for each in used[:MOST_WINDOWS])
        more = ", ..." if len(used) > MOST_WINDOWS else ""
        opens = clock(used[-1].start, now)
        yield fact("windows", f"{len(used)}, in which {counts}{more} nodes start; the last one opens {opens}")


def late(plan: Plan, now: datetime) -> Iterator[Text]:
    """Yields when the plan ends at the latest, by the spread of measured runs; where there is none, how far off the
    plan may be."""
    assumed = plan.assumed
    if plan.p95_seconds is not None:
        yield fact("p95", f"{format_duration(plan.p95_seconds)} until {_clock(plan, plan.p95_seconds, now)}")
    elif assumed is None:
        yield fact("p95", f"unknown: fewer than {ENOUGH_TO_SPREAD} runs are measured")
    else:
        quick, slow = format_duration(assumed.quick_seconds), "without end"
        if assumed.slow_seconds is not None:
            slow = format_duration(assumed.slow_seconds)
        yield fact(
            "p95",
            f"unknown: it takes {quick} if everything that was never measured is fast, {slow} if it is slow",
        )
        spans = (
            f"{part.replace('_', ' ')} {format_duration(low)} to {format_duration(high)}"
            for part, (low, high) in assumed.parts.items()
        )
        yield fact("", f"({', '.join(spans)})")


def _clock(plan: Plan, seconds: float, now: datetime) -> str:
    return clock(plan.start + timedelta(seconds=seconds), now)


def measured_times(known: Sequence[Estimate]) -> Iterator[str]:
    """Yields what was measured, and what is only assumed; the median of each part."""
    several = len({(estimate.pool, estimate.os) for estimate in known if estimate.pool}) > 1
    shown = [estimate for estimate in known if estimate.part != "verify"]
    for label, found in (
        ("measured", [estimate for estimate in shown if estimate.samples]),
        ("assumed", [estimate for estimate in shown if not estimate.samples]),
    ):
        if found:
            yield f"{label}: {', '.join(_time(estimate, several) for estimate in found)}"


def _time(known: Estimate, several: bool) -> str:
    text = f"{known.part.replace('_', ' ')} {format_duration(known.p50)}"
    if several and known.pool:
        text += f" of {known.pool}{f' ({known.os})' if known.os else ''}"
    if known.samples:
        what = "pods" if known.part in POD_PARTS else "runs"
        text += f" (p95 {format_duration(known.p95)}, {known.samples:,} {what})"
    return text


def bound(plan: Plan) -> str:
    by = f"; bound by {plan.bound_by}" if plan.bound_by else ""
    return f"{format_duration(plan.lower_bound_seconds)}: no order can be faster at these times{by}"


def moves(plan: Plan) -> str:
    out = f"at most {count_nodes(plan.peak_unavailable)} unavailable"
    if not plan.pods:
        return f"no pods; {out}"
    pods = "1 pod" if plan.pods == 1 else f"{plan.pods:,} pods"
    return f"{pods}, {plan.evictions / plan.pods:.2f} times each; {out}"
