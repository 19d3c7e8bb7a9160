"""Exceptions as a list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns
from fleet.core.approval.exceptions import PatchException
from fleet.core.text.durations import format_age

STYLES = {"in force": "green", "requested": "yellow", "lapsed": "dim", "revoked": "red"}


def listing(found: Sequence[PatchException], now: datetime) -> Text:
    """Returns two lines for each exception: what it covers until when, and who decided on it and why."""
    if not found:
        return Text("No exceptions yet.\n  -> fleet exception request --help")
    head = ("ID", "STATE", "COVERS", "RELEASE", "UNTIL", "OWNER")
    table = columns(head, [_row(each, now) for each in found]).split("\n")
    lines: list[Text] = [table[0]]
    for row, each in zip(table[1:], found, strict=True):
        lines += [row, *(Text(f"  {text}", "dim") for text in _texts(each, now))]
    return Text("\n").join(lines)


def _row(each: PatchException, now: datetime) -> tuple[Cell, ...]:
    state = each.state(now)
    covers = ", ".join([*(f"pool {name}" for name in each.pools), *each.nodes])
    return (
        each.id,
        Text(state, STYLES[state]),
        covers,
        each.version or "every release",
        f"{each.until:%Y-%m-%d}",
        each.owner,
    )


def _texts(each: PatchException, now: datetime) -> list[str]:
    granted = f", granted by {each.approver.name}" if each.approver is not None else ""
    found = [f"{each.reason} (asked for by {each.author.name}{granted})"]
    if each.lapses_soon(now):
        found.append(
            f"lapses in {format_age(each.until - now)}: upgrade the nodes, or ask for another exception"
        )
    if each.revoked_by is not None:
        found.append(f"revoked by {each.revoked_by.name}: {each.revoked_why}")
    return found
