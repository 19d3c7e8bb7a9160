"""Approvals and rejections as a list, and what an approval covers. Pure."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from fleet.app.planning.effects import PlanState, changes, hash_of
from fleet.cli.terminal.columns import Cell, columns
from fleet.cli.terminal.time_format import ago, clock
from fleet.core.planning.plan import short_id
from fleet.core.reporting.approvals import ApprovalEntry, ApprovalList

STYLES = {"in force": "green", "expired": "yellow", "rejected": "red"}


def listing(found: ApprovalList, now: datetime) -> Text:
    """Returns two lines for each approval or rejection: who and when, and what they wrote."""
    if not found.approvals:
        return Text("No approvals yet.\n  -> fleet plan approve PLAN")
    head = ("PLAN", "EFFECT", "STATE", "BY", "ASKED BY", "WHEN")
    table = columns(head, [_row(each, now) for each in found.approvals])
    lines: list[Text] = []
    for row, each in zip(table.split("\n")[1:], found.approvals, strict=True):
        lines.append(row)
        lines += [Text(f"  {text}", "dim") for text in _texts(each, now)]
    return Text("\n").join([table.split("\n")[0], *lines])


def _row(each: ApprovalEntry, now: datetime) -> tuple[Cell, ...]:
    state = f"used by {', '.join(each.rollouts)}" if each.rollouts else each.state or "rejection"
    return (
        *(short_id(each.plan), short_id(each.effect)),
        Text(state, "green" if each.rollouts else STYLES.get(state, "red")),
        *(each.by.name, each.asked_by or "-", f"{ago(each.at, now)} ago"),
    )


def _texts(each: ApprovalEntry, now: datetime) -> list[str]:
    """Returns what was written, how the approver was identified, and until when the approval is in force."""
    until = (
        f"until {clock(each.expires, now)}" if each.expires is not None and each.state == "in force" else ""
    )
    how = f"{each.by.method} {each.by.source}".strip()
    found = [", ".join(part for part in (each.text, how, until) if part)]
    return [*found, f"also in a freeze: {each.override}"] if each.override else found


def plan_state(state: PlanState, now: datetime) -> Text:
    """Returns who has approved a plan, the hash of what they approved, and how the plan would differ now."""
    count, required = len(state.approvals), state.rule.required
    given = ", ".join(f"{each.by.name} {ago(each.at, now)} ago" for each in state.approvals)
    style = "green" if count >= required else "yellow"
    lines = [
        Text(f"Approvals: {count} of {required}{f', by {given}' if given else ''}", style),
        Text(f"  effect    {hash_of(state.effect)}", "dim"),
    ]
    if state.changes:
        lines.append(Text("The plan would differ now, by what is known of the clusters:", "yellow"))
        lines += [Text(f"  {each}") for each in changes(state.changes)]
    return Text("\n").join(lines)
