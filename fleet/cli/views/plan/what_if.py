"""The table of what a plan would gain from each change of the policy."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.cli.views.plan.line import fact
from fleet.core.planning.plan import (
    Plan,
)
from fleet.core.planning.what_if import WhatIf, WhatIfChange
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_duration


def what_if(plan: Plan, found: WhatIf) -> Iterator[Text]:
    """Yields what each change would bring, best first."""
    if not found.changes:
        yield fact("what if", "no constraint that can be loosened limits it")
        return
    named = [change for change in found.changes if change.binds]
    planned = [change for change in named if change.at_most is not True]
    best = max(planned, key=lambda change: change.saved_seconds, default=None)
    most = max((change.saved_seconds for change in named), default=0.0)
    if best is not None and best.saved_seconds >= 1:
        saved = format_duration(best.saved_seconds)
        text = f"bound by {best.binds}: {best.change} and the plan takes {saved} less"
        yield fact("what if", text, "bold")
    elif most >= 1:
        yield fact("what if", f"none of these changes makes it more than {format_duration(most)} shorter")
    else:
        yield fact("what if", "none of these changes makes it shorter")
    rows = [
        (
            f"    {change.binds}: {change.change}" if change.binds else f"    {change.change}",
            format_duration(change.makespan_seconds),
            Text(gain, "" if change.at_most is True else "green")
            if (gain := _gain(plan, change))
            else Text("nothing", "dim"),
        )
        for change in found.changes
    ]
    yield columns(("    CHANGE", "TAKES", "GAIN"), rows, right=(1,))


def _gain(plan: Plan, change: WhatIfChange) -> str:
    """Returns the gain as text; empty if there is none."""
    parts = []
    if (more := change.nodes - len(plan.runs)) > 0:
        parts.append(counted(more, "more node"))
    if change.saved_seconds >= 1:
        most = "at most " if change.at_most is True else ""
        parts.append(f"{most}{format_duration(change.saved_seconds)} less")
    return ", ".join(parts)
