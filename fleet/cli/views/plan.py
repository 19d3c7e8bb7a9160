"""A plan in words: what it does, how long it takes, what holds it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns
from fleet.cli.terminal.time_format import ago, at_offset, clock, second
from fleet.core.planning.estimates import ENOUGH_TO_SPREAD, POD_PARTS, Estimate
from fleet.core.planning.plan import (
    Effort,
    Plan,
    PlannedDoubt,
    PlannedHold,
    PlannedRun,
    PlannedVote,
    PlanWarning,
    short_id,
)
from fleet.core.planning.what_if import WhatIf, WhatIfChange
from fleet.core.policy.policy import Window
from fleet.core.quorum.quorum import QuorumRule
from fleet.core.records.held import Reason
from fleet.core.text.durations import format_duration

if TYPE_CHECKING:
    from fleet.store.plans import PlanRow

MOST_HELD = 12
"""Groups of held nodes that are shown before `--held` is asked for."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SOON = 60
"""A plan whose first run begins within so many seconds begins at once."""


def whole(plan: Plan, now: datetime, *, all_held: bool = False) -> Text:
    """`now` tells how old the plan is."""
    lines = [Text(title(plan), "bold")]
    if plan.runs:
        lines += [
            _fact("takes", _takes(plan, now)),
            *_late(plan, now),
            _fact("bound", _bound(plan)),
            _fact("moves", _moves(plan)),
        ]
        lines += [_fact("effort", _effort(plan.effort))] if plan.effort is not None else []
        lines += _votes(plan)
        lines += [_fact("times", told) for told in _times(plan.durations)]
    if plan.what_if is not None:
        lines += _what_if(plan, plan.what_if)
    most = None if all_held else MOST_HELD
    tried, held = parted(plan.held)
    if tried:
        drains = "its drain takes" if len(tried) == 1 else "their drains take"
        told = f"{_nodes(len(tried))}; how long {drains} cannot be planned"
        lines.append(_fact("tried", told, "yellow"))
        lines += _held(tried, most)
    if held:
        lines.append(_fact("held", _who_acts(held), "yellow"))
        lines += _held(held, most)
    lines += _warnings(plan.warnings)
    lines += _doubts(plan.doubts, most)
    if plan.plan_id:
        # Whole: of the short one somebody who may write to the database can make another plan.
        lines.append(_fact("hash", plan.plan_id, "dim"))
    lines.append(_next(plan, now))
    return Text("\n").join(lines)


def title(plan: Plan) -> str:
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
    return f"Plan {name} for {_nodes(count)} of pool{'s' * (len(plan.pools) > 1)} {pools}{where}: {change}"


def _nodes(count: int) -> str:
    return f"{count:,} node{'' if count == 1 else 's'}"


def _fact(name: str, text: str, style: str = "") -> Text:
    return Text("  ") + Text(f"{name:<9} ", "dim") + Text(text, style)


def _effort(effort: Effort) -> str:
    if not effort.orders:
        return "none: this order is at its bound, or another would have taken longer to plan"
    tried = f"{effort.orders} more order{'s' * (effort.orders > 1)} tried"
    return (
        f"{tried}, the best takes {format_duration(effort.saved_seconds)} less than the first"
        if (effort.saved_seconds >= 1)
        else f"{tried}, none takes less than the first"
    )


def _takes(plan: Plan, now: datetime) -> str:
    """With the moment at which it would end, had it been started as it was made."""
    first = min((step.start for run in plan.runs for step in run.steps if step.step != "stage"), default=0.0)
    begins = f"first node goes out in {format_duration(first)} ({_clock(plan, first, now)})"
    windows = sorted(
        {text for pool in plan.policy.pools if pool.name in plan.pools for text in _windows(pool.windows)}
    )
    told = [
        f"{format_duration(plan.makespan_seconds)} until {_clock(plan, plan.makespan_seconds, now)}",
        "at the earliest now" if first <= SOON else begins,
    ]
    return ", ".join([*told, *([f"in window {'; '.join(windows)}"] if windows else [])])


def _late(plan: Plan, now: datetime) -> Iterator[Text]:
    """By the spread of measured runs; where there is none, how far off the plan may be."""
    assumed = plan.assumed
    if plan.p95_seconds is not None:
        yield _fact("p95", f"{format_duration(plan.p95_seconds)} until {_clock(plan, plan.p95_seconds, now)}")
    elif assumed is None:
        yield _fact("p95", f"unknown: fewer than {ENOUGH_TO_SPREAD} runs are measured")
    else:
        quick, slow = format_duration(assumed.quick_seconds), "without end"
        if assumed.slow_seconds is not None:
            slow = format_duration(assumed.slow_seconds)
        yield _fact(
            "p95", f"unknown: it takes {quick} if all that was never measured is quick, {slow} if it is slow"
        )
        spans = (
            f"{part.replace('_', ' ')} {format_duration(low)} to {format_duration(high)}"
            for part, (low, high) in assumed.parts.items()
        )
        yield _fact("", f"({', '.join(spans)})")


def _clock(plan: Plan, seconds: float, now: datetime) -> str:
    return clock(plan.start + timedelta(seconds=seconds), now)


def _what_if(plan: Plan, found: WhatIf) -> Iterator[Text]:
    """What each change would bring, best first."""
    if not found.changes:
        yield _fact("what if", "nothing that can be loosened binds it")
        return
    best = max((each for each in found.changes if each.binds), key=lambda each: each.saved_seconds)
    if best.saved_seconds >= 1:
        saved = format_duration(best.saved_seconds)
        told = f"bound by {best.binds}: {best.change} and the plan takes {saved} less"
        yield _fact("what if", told, "bold")
    else:
        yield _fact("what if", "no one of these changes makes it shorter")
    rows = [
        (
            f"    {each.binds}: {each.change}" if each.binds else f"    {each.change}",
            format_duration(each.makespan_seconds),
            Text(gain, "green") if (gain := _gain(plan, each)) else Text("nothing", "dim"),
        )
        for each in found.changes
    ]
    yield columns(("    CHANGE", "TAKES", "GAIN"), rows, right=(1,))


def _gain(plan: Plan, change: WhatIfChange) -> str:
    """In words; empty: there is none."""
    parts = []
    if (more := change.nodes - len(plan.runs)) > 0:
        parts.append(f"{more:,} more node{'s' * (more != 1)}")
    if change.saved_seconds >= 1:
        parts.append(f"{format_duration(change.saved_seconds)} less")
    return ", ".join(parts)


def _votes(plan: Plan) -> Iterator[Text]:
    """Which members of quorum groups go when, and what is left of their group then."""
    found = sorted(((vote, run) for run in plan.runs for vote in run.votes), key=lambda each: each[0].at)
    if not found:
        return
    groups = dict.fromkeys(vote.group for vote, _ in found)
    yield _fact("quorum", f"{', '.join(groups)}: one voter at a time")
    rows = [
        (
            f"    {at_offset(vote.at)}",
            run.node,
            vote.member,
            f"{vote.commit_seconds * 1000:.1f} ms" if vote.commit_seconds is not None else "?",
            "; ".join(_with_vote(vote)),
        )
        for vote, run in found
    ]
    head = ("    AT", "NODE", "VOTER", "COMMIT", "")
    if any(vote.commit_seconds != 0 for vote, _ in found):
        yield columns(head, rows, right=(0, 3))
    else:
        # Within one site no distances are measured.
        yield columns((*head[:3], ""), [(*row[:3], row[4]) for row in rows], right=(0,))
    for group in groups:
        for line in _etcd(plan, group, [vote for vote, _ in found if vote.group == group]):
            yield Text(f"    {line}")


def _etcd(plan: Plan, group: str, votes: Sequence[PlannedVote]) -> tuple[str, ...]:
    """What cannot be known of the etcd that the release brings, and of the way back, in lines."""
    runs = sorted({vote.etcd for vote in votes if vote.etcd})
    if not runs or any(vote.last_before for vote in votes):
        return ()  # the row of the last voter says it
    target = plan.target.version
    if plan.rolls_back:
        unknown = sorted(vote.member for vote in votes if not vote.brings)
        data = next((vote.data for vote in votes if vote.data), "") or runs[-1]
        told = (
            f"which etcd {target} brings to {', '.join(unknown)} is not known:",
            f"one older than {data} does not start on the data of {group}",
        )
        return told if unknown else ()
    rule = next((each.rule for each in plan.policy.quorums if each.name == group), QuorumRule())
    return (
        f"whether {target} brings another minor version than etcd {runs[-1]} is not known: if it does, the last",
        f"voter of {group} waits until the others have run it for {format_duration(rule.last_voter_seconds)}, "
        "and after it there is no way back",
    )


def _with_vote(vote: PlannedVote) -> Iterator[str]:
    if vote.snapshot_at is not None:
        yield "snapshot first"
    if vote.leader_to:
        yield f"{vote.leader_to} leads from then on"
    if vote.last_before:
        yield f"the last on an etcd before {vote.last_before}: no way back after it"
    if vote.breaking:
        losses = (*vote.breaking, *(f"the link {link}" for link in vote.breaking_links))
        yield f"meanwhile the loss of {' or '.join(losses)} would stop it"


def _times(known: Sequence[Estimate]) -> Iterator[str]:
    """What was measured, and what is only assumed; the median of each part."""
    several = len({(each.pool, each.os) for each in known if each.pool}) > 1
    shown = [each for each in known if each.part != "verify"]
    for word, found in (
        ("measured", [each for each in shown if each.samples]),
        ("assumed", [each for each in shown if not each.samples]),
    ):
        if found:
            yield f"{word}: {', '.join(_time(each, several) for each in found)}"


def _time(known: Estimate, several: bool) -> str:
    told = f"{known.part.replace('_', ' ')} {format_duration(known.p50)}"
    if several and known.pool:
        told += f" of {known.pool}{f' ({known.os})' if known.os else ''}"
    if known.samples:
        what = "pods" if known.part in POD_PARTS else "runs"
        told += f" (p95 {format_duration(known.p95)}, {known.samples:,} {what})"
    return told


def _windows(windows: Sequence[Window]) -> Iterator[str]:
    for window in windows:
        yield f"{_days(window.days)} {window.start:%H:%M}-{window.end:%H:%M} {window.zone}"


def _days(days: Sequence[int]) -> str:
    """`Mon-Fri`, `Sat, Sun` are runs of days; one by one where they are apart."""
    ordered = sorted(set(days))
    if len(ordered) == len(DAYS):
        return "daily"
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{DAYS[ordered[0]]}-{DAYS[ordered[-1]]}"
    return ", ".join(DAYS[day] for day in ordered)


def _bound(plan: Plan) -> str:
    by = f"; bound by {plan.bound_by}" if plan.bound_by else ""
    return f"{format_duration(plan.lower_bound_seconds)}: no order can be faster at these times{by}"


def _moves(plan: Plan) -> str:
    out = f"at most {_nodes(plan.peak_unavailable)} out at once"
    if not plan.pods:
        return f"no pods; {out}"
    pods = "1 pod" if plan.pods == 1 else f"{plan.pods:,} pods"
    return f"{pods}, {plan.evictions / plan.pods:.2f} times each; {out}"


def _who_acts(held: Sequence[PlannedHold]) -> str:
    """How many nodes need a person, and how many wait for what passes by itself."""
    need = sum(_needs_operator(each) for each in held)
    told = [f"{_nodes(need)} need{'s' * (need == 1)} an operator"] if need else []
    if need < len(held):
        waits = len(held) - need
        told.append(f"{_nodes(waits)} wait{'s' * (waits == 1)} for what passes by itself")
    return ", ".join(told)


def _needs_operator(each: PlannedHold) -> bool:
    """What helps against another party's work is told, and it ends by itself all the same."""
    if each.held is None or each.held.needs_action:
        return True
    return bool(each.remedy) and each.held.reason is not Reason.OTHERS


def parted(held: Sequence[PlannedHold]) -> tuple[list[PlannedHold], list[PlannedHold]]:
    """Nodes that the rollout tries although nothing can be planned of them, and those that are held for good."""
    tried = [each for each in held if each.reason == Reason.LENGTH_UNKNOWN]
    return tried, [each for each in held if each.reason != Reason.LENGTH_UNKNOWN]


def _warnings(found: Sequence[PlanWarning]) -> Iterator[Text]:
    """What the snapshot shows and the plan could not reckon with."""
    several = len({each.cluster for each in found if each.cluster}) > 1
    for each in found:
        where = f"{each.cluster}: " if several and each.cluster else ""
        yield _fact("warning", f"{where}{each.subject}: {each.message}", "yellow")
        yield _fact("", f"-> {each.remedy}", "dim")


def _held(held: Sequence[PlannedHold], most: int | None) -> Iterator[Text]:
    """Nodes that are held for the same reason together."""
    groups: dict[tuple[str, str], list[PlannedHold]] = {}
    for each in held:
        groups.setdefault((each.detail, each.remedy), []).append(each)
    shown = list(groups.items())[:most]
    width = max((len(_names(members)) for _, members in shown), default=0)
    for (detail, advice), members in shown:
        yield Text(f"    {_names(members):<{width}}  {detail}")
        if advice:
            yield Text(f"    {'':<{width}}  -> {advice}", "dim")
        yield from _others(members, width, all_held=most is None)
    left = sum(len(members) for members in groups.values()) - sum(len(members) for _, members in shown)
    if left:
        yield Text(f"    and {_nodes(left)} more (--held shows all)", "dim")


def _others(members: Sequence[PlannedHold], width: int, *, all_held: bool) -> Iterator[Text]:
    """What must be seen to beside the reason that is told: the next plan would name them one by one."""
    others = dict.fromkeys(held.message for each in members for held in each.others)
    if all_held:
        for told in others:
            yield Text(f"    {'':<{width}}  and: {told}")
    elif others:
        more = f"{len(others)} more reason{'s' * (len(others) > 1)}"
        yield Text(f"    {'':<{width}}  and {more} (--held shows all)", "dim")


def _doubts(doubts: Sequence[PlannedDoubt], most: int | None) -> Iterator[Text]:
    """One line a pod and reason; nothing where all is known."""
    if not doubts:
        return
    pods = len({(each.cluster, each.pod) for each in doubts})
    told = f"of {'1 pod' if pods == 1 else f'{pods} pods'} whether another node can take {'it' if pods == 1 else 'them'}"
    yield _fact("unknown", told, "yellow")
    for each in doubts[:most]:
        yield Text(f"    {each.pod} on {each.node}: {each.message}")
    if most is not None and len(doubts) > most:
        yield Text(f"    and {len(doubts) - most} more (--held shows all)", "dim")


def _names(members: Sequence[PlannedHold]) -> str:
    if len(members) <= 2:
        return ", ".join(each.node for each in members)
    return f"{members[0].node} and {len(members) - 1} more"


def _next(plan: Plan, now: datetime) -> Text:
    if plan.runs and not plan.plan_id:
        return Text("Made from a dump: it is not kept, and cannot be started.")
    if plan.runs:
        made = (now - plan.start).total_seconds()
        old = f" (made {ago(plan.start, now)} ago, {clock(plan.start, now)})" if made > SOON else ""
        return Text(f"Start it: fleet rollout start {short_id(plan.plan_id)}{old}")
    if plan.held:
        tried, _ = parted(plan.held)
        if tried and plan.plan_id:
            return Text(f"Start it, to try: fleet rollout start {short_id(plan.plan_id)}")
        if tried:
            return Text(f"Made from a dump. A rollout would try {_nodes(len(tried))}, one after another.")
        return Text("Nothing can start: every node is held.", "yellow")
    empty = {each.subject for each in plan.warnings if each.check == "pool-empty"}
    if empty and empty >= set(plan.pools):
        return Text("Nothing to do: no node is in the pool.", "yellow")
    return Text(f"Nothing to do: every node of the pool runs {plan.target.version}.", "green")


def timeline(plan: Plan) -> Text:
    """A row for each node, in the order in which they go, then those that are held; begin and end if it is started as it
    was made."""
    head = ("START UTC", "END UTC", "NODE", "CLUSTER", "ZONE", "STAGE", "DRAIN", "REBOOT", "SOAK", "PODS", "")
    rows = [*(_row(run, plan.start) for run in plan.runs), *(_held_row(each) for each in plan.held)]
    table = columns(head, rows, right=(0, 1, 5, 6, 7, 8, 9))
    return Text("\n").join(
        [table, Text("held: fleet plan without --timeline says why.", "dim")] if plan.held else [table]
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


def listing(rows: Sequence[PlanRow], now: datetime) -> Text:
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
