"""A rollout as it is now: how far, who is in work, what each waits for and for how long. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from rich.text import Text

from fleet.app.rollouts.rollouts import RolloutSummary
from fleet.cli.terminal.columns import Cell, columns
from fleet.cli.terminal.person import person, persons_within
from fleet.cli.terminal.time_format import ago, clock
from fleet.cli.views.rollout_page.gates import gate_lines, hook_lines
from fleet.cli.views.rollout_page.standstill import standing_still
from fleet.core.objects.node import NodeRef
from fleet.core.records import requests
from fleet.core.records.held import Held
from fleet.core.records.requests import RequestCount
from fleet.core.reporting.node_state import needs_action_first
from fleet.core.reporting.node_timeline import NodeTimeline
from fleet.core.reporting.standstill import Standstill
from fleet.core.rollout.goal import StandingStart, StartApproval
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import HAS_SLOT, RolloutState, Step
from fleet.core.text.durations import format_age, format_duration
from fleet.core.text.natural_order import natural

BAR = 16
"""Letters: `#` for nodes that are done, `x` for those that failed or were cancelled."""
IN_WORK = 10
"""Nodes in work that are named before the rest is counted."""
WAITS = 5
"""Reasons to wait that are named."""


class RolloutScene(Struct, frozen=True):
    """All that a picture of one rollout needs."""

    rollout: Rollout
    now: datetime
    nodes: Mapping[NodeRef, NodeTimeline]
    """What was done on the nodes that `shown_nodes` names, and perhaps on others."""
    held: Mapping[NodeRef, tuple[Held, ...]] = {}
    held_since: Mapping[NodeRef, datetime] = {}
    eta: int | None = None
    pods: Mapping[NodeRef, int] = {}
    """Pods that the plan wants to move, by node."""
    requests: tuple[RequestCount, ...] = ()
    """Sent to API servers for it so far."""
    standstill: Standstill | None = None


def shown_nodes(rollout: Rollout, now: datetime, in_work: int = IN_WORK) -> Iterator[NodeRef]:
    """Yields the nodes of whose past the picture shows something."""
    yield from (run.node for run in _in_work(rollout, now)[:in_work] if run.step is Step.DRAIN)
    if (last := _last_done(rollout)) is not None:
        yield last.node


def picture(scene: RolloutScene, in_work: int = IN_WORK) -> Text:
    """Returns the whole picture, for a live view and for `rollout status` alike."""
    rollout = scene.rollout
    lines = [headline(scene), _counts(scene)]
    if rollout.state in (RolloutState.HALTED, RolloutState.PAUSED, RolloutState.ABORTED):
        lines.append(_standing(rollout, scene.now))
    if scene.standstill is not None:
        lines.append(standing_still(scene.standstill))
    lines += _asked(rollout, scene.now)
    lines += [*gate_lines(rollout), *hook_lines(rollout)]
    lines += _working(scene, in_work)
    lines += _failed(scene)
    lines += _waiting(scene)
    lines += _last(scene)
    if sent := requests.format_requests(scene.requests):
        lines.append(Text(f"  {sent}", "dim"))
    return Text("\n").join(lines)


def headline(scene: RolloutScene) -> Text:
    """Returns the first line: the rollout, its state, and its end."""
    rollout = scene.rollout
    pools = ", ".join(dict.fromkeys(run.goal.pool for run in rollout.runs.values()))
    total, done = len(rollout.runs), rollout.counts[Step.DONE]
    ended = total - rollout.remaining
    full, gone = (BAR * count // total if total else BAR for count in (done, ended))
    line = Text(f"{rollout.id}  {pools} -> {rollout.release.version}", "bold")
    line += Text("  [") + Text("#" * full, "green") + Text("x" * (gone - full), "red")
    line += Text("-" * (BAR - gone) + f"]  {done:,}/{total:,}")
    return line + Text(f"  {_when(scene)}", _state_style(rollout))


def _when(scene: RolloutScene) -> str:
    rollout = scene.rollout
    if rollout.ended_at is not None:
        took = format_duration((rollout.ended_at - rollout.started_at).total_seconds())
        return f"{rollout.state} after {took}"
    if rollout.state is RolloutState.RUNNING and scene.standstill is not None:
        return "stands still"
    if rollout.state is RolloutState.RUNNING:
        if scene.eta is None:
            return "running"
        return (
            f"ETA {format_duration(scene.eta)} ({clock(scene.now + timedelta(seconds=scene.eta), scene.now)})"
        )
    return str(rollout.state)


def _state_style(rollout: Rollout) -> str:
    if rollout.counts[Step.FAILED] or rollout.state is RolloutState.HALTED:
        return "bold red"
    return "yellow" if rollout.state in (RolloutState.PAUSED, RolloutState.ABORTED) else "green"


def _counts(scene: RolloutScene) -> Text:
    counts = scene.rollout.counts
    lasting = Counter(run.step for run in scene.rollout.runs.values() if run.waiting and _lasting(scene, run))
    held = lasting.total()
    waiting = counts[Step.PENDING] + counts[Step.STAGED] - lasting[Step.PENDING] - lasting[Step.STAGED]
    told = [
        ("wait", waiting, ""),
        ("stage", counts[Step.STAGE] - lasting[Step.STAGE], ""),
        ("drain", counts[Step.CORDON] + counts[Step.DRAIN], ""),
        ("reboot", counts[Step.REBOOT], ""),
        ("verify", counts[Step.VERIFY], ""),
        ("soak", counts[Step.UNCORDON] + counts[Step.SOAK], ""),
        ("done", counts[Step.DONE], "green"),
        ("failed", counts[Step.FAILED] + counts[Step.RETURN], "bold red"),
        ("held", held, "yellow"),
    ]
    if counts[Step.CANCELLED]:
        told.append(("cancelled", counts[Step.CANCELLED], ""))
    always = ("done", "failed", "held")
    parts = [
        Text(f"{name} {count:,}", style if count else "dim")
        for name, count, style in told
        if count or name in always
    ]
    return Text("  ") + Text("   ").join(parts)


def _lasting(scene: RolloutScene, run: Run) -> bool:
    return any(held.needs_action for held in scene.held.get(run.node, ()))


def _asked(rollout: Rollout, now: datetime) -> Iterator[Text]:
    """Yields which standing policy started or planned the rollout, why the rollout ignores freezes, and who asked for it and
    approved it: each where there is such a thing."""
    if reason := rollout.override_freeze:
        yield Text(f"  freezes ignored by {rollout.by}: {reason}", "yellow")
    policy, found = rollout.start.standing, rollout.start.approval
    if isinstance(policy, StandingStart):
        done = "started" if rollout.by == policy.identity else "planned"
        yield Text(f"  {done} by the standing policy of pool {policy.pool}: {'; '.join(policy.grounds)}")
    if isinstance(found, StartApproval):
        given = ", ".join(f"{each.by.name} {clock(each.at, now)}" for each in found.given)
        asked = f"asked by {person(found.asked_by)}" if found.asked_by else "asked by a user who is not known"
        yield Text(f"  {asked}; {_approved(found, given)}")


def _approved(found: StartApproval, given: str) -> str:
    if given:
        return f"approved by {given}"
    return "not approved" if found.required else "no approval was needed"


def _standing(rollout: Rollout, now: datetime) -> Text:
    """Returns why the rollout does not go on, and what to do."""
    by, since = person(rollout.state_by), clock(rollout.state_at, now)
    match rollout.state:
        case RolloutState.HALTED if not (rollout.failures or rollout.gates.failed or rollout.hooks.failed):
            text = f"has not begun: {rollout.why}"
            advice = f"fleet plan approve {rollout.start.plan[:10]}, then: fleet rollout resume {rollout.id}"
        case RolloutState.HALTED if rollout.gates.failed:
            text = f"halted {since}: {rollout.why}"
            advice = f"fleet rollout resume {rollout.id} asks the gate anew"
        case RolloutState.HALTED if rollout.hooks.failed:
            text = f"halted {since}: {rollout.why}"
            advice = f"fix what the hook needs; fleet rollout resume {rollout.id} runs it again"
        case RolloutState.HALTED:
            text = f"halted {since}: {rollout.why}"
            advice = (
                f"check the failed nodes, then: fleet rollout release NODE; fleet rollout resume {rollout.id}"
            )
        case RolloutState.PAUSED:
            text, advice = f"paused {since} by {by}", f"fleet rollout resume {rollout.id}"
        case _ if rollout.ended_at is not None:
            left = rollout.counts[Step.CANCELLED]
            text = f"aborted {since} by {by}, ended {clock(rollout.ended_at, now)}: {left:,} not upgraded"
            advice = ""
        case _:
            text, advice = f"aborted {since} by {by}: what has begun is finished, and nothing new starts", ""
    return Text(f"  {text}", "yellow") + Text(f"\n  -> {advice}" if advice and rollout.active else "")


def _working(scene: RolloutScene, most: int) -> Iterator[Text]:
    """Yields the nodes that are out, those that have been longest in their step first."""
    runs = _in_work(scene.rollout, scene.now)
    if runs:
        yield columns((), [_at_work(scene, run) for run in runs[:most]])
    if len(runs) > most:
        yield Text(f"  and {len(runs) - most} more in work", "dim")


def _in_work(rollout: Rollout, now: datetime) -> list[Run]:
    runs = [run for run in rollout.runs.values() if run.step in HAS_SLOT]
    return sorted(runs, key=lambda run: (run.since or now, natural(run.node.name)))


def _at_work(scene: RolloutScene, run: Run) -> tuple[Cell, ...]:
    taken = format_age(scene.now - run.since) if run.since is not None else ""
    message = "; ".join(held.message for held in scene.held.get(run.node, ())[:2])
    pods = ""
    if run.step is Step.DRAIN:
        gone = sum(
            eviction.result in ("done", "gone") for eviction in scene.nodes[run.node].evictions.values()
        )
        planned = scene.pods.get(run.node, 0)
        pods = f"{gone}/{max(planned, gone)} pods" if planned else f"{gone} pods"
    return f"  {name(scene.rollout, run.node)}", Text(str(run.step), "cyan"), f"{taken:>3}", pods, message


def _failed(scene: RolloutScene) -> Iterator[Text]:
    for run in scene.rollout.runs.values():
        if run.step is Step.FAILED:
            kept = "" if run.slot else " (released)" if run.begun is not None else ""
            yield Text(f"  {name(scene.rollout, run.node)}  failed: {run.why}{kept}", "red")
        elif run.step is Step.CANCELLED and run.begun is not None:
            yield Text(f"  {name(scene.rollout, run.node)}  cancelled: {persons_within(run.why)}", "yellow")


def _waiting(scene: RolloutScene) -> Iterator[Text]:
    """Yields what holds those that wait: the reason that holds most nodes first, one node of each named."""
    groups: dict[str, list[Run]] = {}
    for run in scene.rollout.runs.values():
        reasons = scene.held.get(run.node, ())
        if run.waiting and (run.step is not Step.STAGE or _lasting(scene, run)) and reasons:
            groups.setdefault(needs_action_first(reasons)[0].message, []).append(run)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    for message, runs in ordered[:WAITS]:
        first = name(scene.rollout, runs[0].node)
        others = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        since = min((moment for run in runs if (moment := scene.held_since.get(run.node))), default=None)
        waited = f" {format_age(scene.now - since)}" if since is not None else ""
        yield Text(f"  {first}{others} wait{'' if others else 's'}{waited}: {message}", "yellow")
    if len(ordered) > WAITS:
        yield Text(f"  other reasons: {len(ordered) - WAITS} (fleet status --attention)", "dim")


def _last(scene: RolloutScene) -> Iterator[Text]:
    if (last := _last_done(scene.rollout)) is not None:
        yield Text(f"  last: {ending(scene.rollout, last, scene.nodes[last.node])}", "dim")


def _last_done(rollout: Rollout) -> Run | None:
    ended = [
        (run.since, run) for run in rollout.runs.values() if run.step is Step.DONE and run.since is not None
    ]
    return max(ended, key=lambda each: (each[0], each[1].node))[1] if ended else None


def ending(rollout: Rollout, run: Run, past: NodeTimeline) -> str:
    """Returns `n-0098 done in 3m 12s (drain 48s, reboot 64s, soak 60s), kernel 6.12.9`, or why the run failed."""
    text = f"{name(rollout, run.node)} {run.step}"
    if run.begun is not None and run.since is not None:
        text += f" in {format_duration((run.since - run.begun).total_seconds())}"
        steps = [f"{step} {format_duration(seconds)}" for step, seconds in lasted(past).items()]
        text += f" ({', '.join(steps)})" if steps else ""
    if kernel := run.proof.get("kernel"):
        text += f", kernel {kernel}"
    return f"{text}: {run.why}" if run.why else text


def lasted(past: NodeTimeline) -> dict[str, float]:
    """Returns the seconds of drain, reboot and soak, of those that took any."""
    lengths: dict[str, float] = {}
    for taken in past.steps:
        seconds = taken.seconds or 0.0
        if taken.step in ("drain", "reboot", "soak") and seconds >= 1:
            lengths[taken.step] = lengths.get(taken.step, 0.0) + seconds
    return lengths


def name(rollout: Rollout, ref: NodeRef) -> str:
    """Returns the node's name, short where the rollout is in one cluster."""
    clusters = {run.node.cluster for run in rollout.runs.values()}
    return ref.name if len(clusters) == 1 else str(ref)


def listing(rows: Sequence[RolloutSummary], now: datetime, standstill: Standstill | None = None) -> Text:
    if not rows:
        return Text("No rollouts yet.\n  -> fleet plan --pool POOL --to VERSION")
    head = ("ROLLOUT", "POOL", "TO", "STATE", "DONE", "FAILED", "STARTED", "BY", "ETA")
    table = columns(head, [_row(row, now) for row in rows], right=(4, 5))
    return table if standstill is None else Text("\n").join([table, standing_still(standstill)])


def _row(row: RolloutSummary, now: datetime) -> tuple[Cell, ...]:
    ending = row.state == "aborted" and row.ended_at is None
    bad = row.failed or row.state == "halted"
    style = "bold red" if bad else "yellow" if row.state in ("paused", "aborted") else "green"
    eta = format_duration(row.eta_seconds) if row.eta_seconds is not None else "-"
    return (
        *(row.rollout, ", ".join(row.pools), row.version, Text("aborting" if ending else row.state, style)),
        *(
            f"{row.done:,}/{row.nodes:,}",
            str(row.failed),
            f"{ago(row.started_at, now)} ago",
            person(row.by),
            eta,
        ),
    )
