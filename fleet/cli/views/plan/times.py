"""How long a plan takes: its end, its spread, its bound, and what its times rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.text import Text

from fleet.cli.terminal.time_format import clock
from fleet.cli.views.plan.line import count_nodes, fact
from fleet.core.planning.estimates import ENOUGH_TO_SPREAD, POD_PARTS, Estimate
from fleet.core.planning.plan import (
    Effort,
    Plan,
)
from fleet.core.policy.policy import Window
from fleet.core.text.durations import format_duration

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
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
    windows = sorted(
        {text for pool in plan.policy.pools if pool.name in plan.pools for text in _windows(pool.windows)}
    )
    moments = [
        f"{format_duration(plan.makespan_seconds)} until {_clock(plan, plan.makespan_seconds, now)}",
        "at the earliest now" if first <= SOON else begins,
    ]
    return ", ".join([*moments, *([f"in window {'; '.join(windows)}"] if windows else [])])


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


def _windows(windows: Sequence[Window]) -> Iterator[str]:
    for window in windows:
        yield f"{_days(window.days)} {window.start:%H:%M}-{window.end:%H:%M} {window.zone}"


def _days(days: Sequence[int]) -> str:
    """Returns runs of days as `Mon-Fri` or `Sat, Sun`; one by one where they are apart."""
    ordered = sorted(set(days))
    if len(ordered) == len(DAYS):
        return "daily"
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{DAYS[ordered[0]]}-{DAYS[ordered[-1]]}"
    return ", ".join(DAYS[day] for day in ordered)


def bound(plan: Plan) -> str:
    by = f"; bound by {plan.bound_by}" if plan.bound_by else ""
    return f"{format_duration(plan.lower_bound_seconds)}: no order can be faster at these times{by}"


def moves(plan: Plan) -> str:
    out = f"at most {count_nodes(plan.peak_unavailable)} unavailable"
    if not plan.pods:
        return f"no pods; {out}"
    pods = "1 pod" if plan.pods == 1 else f"{plan.pods:,} pods"
    return f"{pods}, {plan.evictions / plan.pods:.2f} times each; {out}"
