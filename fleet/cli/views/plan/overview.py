"""A plan at a glance, and the list of plans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns
from fleet.cli.terminal.time_format import ago, clock
from fleet.cli.views.plan.held import doubt_lines, held_groups, hold_summary, split_tried, warning_lines
from fleet.cli.views.plan.hops import hop_lines
from fleet.cli.views.plan.line import count_nodes, fact
from fleet.cli.views.plan.times import (
    SOON,
    bound,
    effort_of,
    late,
    measured_times,
    moves,
    takes,
    windows_line,
)
from fleet.cli.views.plan.votes import votes
from fleet.cli.views.plan.what_if import what_if
from fleet.core.approval.effect import rule_of
from fleet.core.planning.plan import (
    Plan,
    short_id,
)
from fleet.core.text.durations import format_duration

if TYPE_CHECKING:
    from fleet.store.plans import PlanRow

MOST_HELD = 12
"""Groups of held nodes that are shown before `--held` is asked for."""


def plan_overview(plan: Plan, now: datetime, *, all_held: bool = False) -> Text:
    """Returns a plan at a glance. `now` shows how old the plan is."""
    lines = [Text(title(plan), "bold")]
    lines += hop_lines(plan, now)
    if plan.runs:
        lines += [
            fact("takes", takes(plan, now)),
            *windows_line(plan, now),
            *late(plan, now),
            fact("bound", bound(plan)),
            fact("moves", moves(plan)),
        ]
        lines += [fact("effort", effort_of(plan.effort))] if plan.effort is not None else []
        lines += votes(plan)
        lines += [fact("times", line) for line in measured_times(plan.durations)]
    if plan.what_if is not None:
        lines += what_if(plan, plan.what_if)
    most = None if all_held else MOST_HELD
    tried, held = split_tried(plan.held)
    if tried:
        drains = "its drain takes" if len(tried) == 1 else "their drains take"
        text = f"{count_nodes(len(tried))}; how long {drains} is not known"
        lines.append(fact("tried", text, "yellow"))
        lines += held_groups(tried, most)
    if held:
        lines.append(fact("held", hold_summary(held), "yellow"))
        lines += held_groups(held, most)
    lines += warning_lines(plan.warnings)
    lines += doubt_lines(plan.doubts, most)
    if plan.plan_id:
        # The whole hash: anyone who can write to the database can find another plan with the same short one.
        lines.append(fact("hash", plan.plan_id, "dim"))
    lines.append(_next(plan, now))
    return Text("\n").join(lines)


def title(plan: Plan) -> str:
    """Returns the first line: how many nodes go from which version to which."""
    count = len(plan.runs) + len(plan.held)
    pools = ", ".join(plan.pools) or "no pool"
    places = ", ".join(plan.clusters[:4]) + (
        f" and {len(plan.clusters) - 4} more" if len(plan.clusters) > 4 else ""
    )
    versions = Counter(run.from_version for run in plan.runs if run.from_version)
    before = next(iter(versions)) if len(versions) == 1 else f"{len(versions)} versions" if versions else ""
    change = f"{before} -> {plan.target.version}" if before else f"to {plan.target.version}"
    where = f" in {places}" if places else ""
    change += f" (rolls back {plan.rolls_back})" if plan.rolls_back else ""
    name = short_id(plan.plan_id) or "of a dump"
    return (
        f"Plan {name} for {count_nodes(count)} of pool{'s' * (len(plan.pools) > 1)} {pools}{where}: {change}"
    )


def _next(plan: Plan, now: datetime) -> Text:
    if plan.runs and not plan.plan_id:
        return Text("Made from a dump: it is not stored, and cannot be started.")
    if plan.runs:
        made = (now - plan.start).total_seconds()
        old = f" (made {ago(plan.start, now)} ago, {clock(plan.start, now)})" if made > SOON else ""
        return Text(f"{_approval(plan) or 'Start it: '}fleet rollout start {short_id(plan.plan_id)}{old}")
    if plan.held:
        tried, _ = split_tried(plan.held)
        if tried and plan.plan_id:
            return Text(
                f"{_approval(plan) or 'Start it as an attempt: '}fleet rollout start {short_id(plan.plan_id)}"
            )
        if tried:
            return Text(
                f"Made from a dump. A rollout would try {count_nodes(len(tried))}, one after another."
            )
        return Text("Nothing can start: every node is held.", "yellow")
    empty = {warning.subject for warning in plan.warnings if warning.check == "pool-empty"}
    if empty and empty >= set(plan.pools):
        return Text("Nothing to do: no node is in the pool.", "yellow")
    return Text(f"Nothing to do: every node of the pool runs {plan.target.version}.", "green")


def _approval(plan: Plan) -> str:
    """Returns the text before the start command of a plan that must be approved; empty for other plans."""
    required = rule_of(plan.policy, plan.pools).required
    if not required:
        return ""
    others = "another user" if required == 1 else f"{required} other users"
    return f"Have it approved by {others}: fleet plan approve {short_id(plan.plan_id)}\nThen start it: "


def listing(rows: Sequence[PlanRow], now: datetime) -> Text:
    """Returns a row for each stored plan."""
    if not rows:
        return Text("No plans yet.\n  -> fleet plan --pool POOL --to VERSION")
    head = ("PLAN", "POOL", "TO", "NODES", "HELD", "TAKES", "MADE")
    cells: list[tuple[Cell, ...]] = [
        (
            *(short_id(row.plan_id), ", ".join(row.pools), row.target),
            *(f"{row.nodes:,}", str(row.held), format_duration(row.makespan_seconds)),
            f"{ago(row.start, now)} ago, {clock(row.start, now)}",
        )
        for row in rows
    ]
    return columns(head, cells, right=(3, 4))
