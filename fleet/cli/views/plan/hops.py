"""The rollouts of a plan that takes several, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import UnsetType
from rich.text import Text

from fleet.cli.terminal.time_format import clock
from fleet.cli.views.plan.line import count_nodes, fact
from fleet.core.planning.plan import Plan, PlannedHop
from fleet.core.text.durations import format_duration


def hop_lines(plan: Plan, now: datetime) -> Iterator[Text]:
    """Yields a line for the whole way, and one for each rollout; nothing for a plan that is the only one."""
    if isinstance(plan.hops, UnsetType):
        return
    last = plan.hops[-1]
    reboots = sum(hop.nodes for hop in plan.hops)
    yield fact(
        "path",
        f"{len(plan.hops)} rollouts one after another to {last.release}, {reboots:,} reboots, "
        f"{format_duration(last.end)} until {clock(plan.start + timedelta(seconds=last.end), now)}",
    )
    for number, hop in enumerate(plan.hops, 1):
        yield fact("", f"{number}. {_hop(hop, first=number == 1)}")
    yield fact("", f"when a rollout has ended, fleet plan --to {last.release} makes the plan of the next one")


def _hop(hop: PlannedHop, *, first: bool) -> str:
    parts = [f"{count_nodes(hop.nodes)} in {format_duration(hop.end - hop.start)}"]
    if hop.held:
        parts.append(f"{hop.held:,} held")
    if hop.barrier is not None:
        parts.append(f"a barrier: {hop.barrier}" if hop.barrier else "a barrier")
    return f"to {hop.release}{', this plan' if first else ''}: {', '.join(parts)}"
