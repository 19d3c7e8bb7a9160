"""Prints which nodes a plan holds, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from fleet.cli.views.plan.line import count_nodes, fact
from fleet.core.planning.plan import (
    PlannedDoubt,
    PlannedHold,
    PlanWarning,
)
from fleet.core.records.reasons.reason import Reason
from fleet.core.text.counts import counted


def hold_summary(held: Sequence[PlannedHold]) -> str:
    """Returns how many nodes need an operator, and how many wait for something that passes by itself."""
    need = sum(_needs_operator(hold) for hold in held)
    parts = [f"{count_nodes(need)} need{'s' * (need == 1)} an operator"] if need else []
    if need < len(held):
        waits = len(held) - need
        parts.append(f"{count_nodes(waits)} wait{'s' * (waits == 1)} for something that passes by itself")
    return ", ".join(parts)


def _needs_operator(hold: PlannedHold) -> bool:
    """Returns whether an operator has to act. Another party's work ends by itself, although a remedy is shown, and so
    does a limit that is used up by nodes on which other parties work."""
    if hold.opens:
        return False
    if hold.held is None or hold.held.needs_action:
        return True
    return bool(hold.remedy) and hold.held.reason is not Reason.OTHERS


def split_tried(held: Sequence[PlannedHold]) -> tuple[list[PlannedHold], list[PlannedHold]]:
    """Parts the nodes that the rollout tries although nothing can be planned of them from those that are held for
    good."""
    tried = [hold for hold in held if hold.reason == Reason.LENGTH_UNKNOWN]
    return tried, [hold for hold in held if hold.reason != Reason.LENGTH_UNKNOWN]


def warning_lines(found: Sequence[PlanWarning]) -> Iterator[Text]:
    """Yields what the snapshot shows and the plan could not take into account."""
    several = len({hold.cluster for hold in found if hold.cluster}) > 1
    for hold in found:
        where = f"{hold.cluster}: " if several and hold.cluster else ""
        yield fact("warning", f"{where}{hold.subject}: {hold.message}", "yellow")
        yield fact("", f"-> {hold.remedy}", "dim")


def held_groups(held: Sequence[PlannedHold], most: int | None) -> Iterator[Text]:
    """Yields the nodes that are held, those with the same reason together."""
    groups: dict[tuple[str, str], list[PlannedHold]] = {}
    for hold in held:
        groups.setdefault((hold.detail, hold.remedy), []).append(hold)
    shown = list(groups.items())[:most]
    width = max((len(_names(members)) for _, members in shown), default=0)
    for (detail, advice), members in shown:
        yield Text(f"    {_names(members):<{width}}  {detail}")
        if advice:
            yield Text(f"    {'':<{width}}  -> {advice}", "dim")
        yield from _others(members, width, all_held=most is None)
    left = sum(len(members) for members in groups.values()) - sum(len(members) for _, members in shown)
    if left:
        yield Text(f"    and {count_nodes(left)} more (--held shows all)", "dim")


def _others(members: Sequence[PlannedHold], width: int, *, all_held: bool) -> Iterator[Text]:
    """Yields the reasons beside the first one: the next plan would name them one by one."""
    others = dict.fromkeys(held.message for member in members for held in member.others)
    if all_held:
        for message in others:
            yield Text(f"    {'':<{width}}  and: {message}")
    elif others:
        more = f"{len(others)} more reason{'s' * (len(others) > 1)}"
        yield Text(f"    {'':<{width}}  and {more} (--held shows all)", "dim")


def doubt_lines(doubts: Sequence[PlannedDoubt], most: int | None) -> Iterator[Text]:
    """Yields one line a pod and reason; nothing where all is known."""
    if not doubts:
        return
    pods = len({(doubt.cluster, doubt.pod) for doubt in doubts})
    text = f"of {counted(pods, 'pod')} whether another node can take {'it' if pods == 1 else 'them'}"
    yield fact("unknown", text, "yellow")
    for doubt in doubts[:most]:
        yield Text(f"    {doubt.pod} on {doubt.node}: {doubt.message}")
    if most is not None and len(doubts) > most:
        yield Text(f"    and {len(doubts) - most} more (--held shows all)", "dim")


def _names(members: Sequence[PlannedHold]) -> str:
    if len(members) <= 2:
        return ", ".join(member.node for member in members)
    return f"{members[0].node} and {len(members) - 1} more"
