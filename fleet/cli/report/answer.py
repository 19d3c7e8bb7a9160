"""The sentences of a report, the same on every surface: what came of it, how long it took, what the proof is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from fleet.core.planning.estimates import PARTS
from fleet.core.planning.plan import short_id
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.node_timeline import OperatorCommand, QuorumAction
from fleet.core.reporting.report import Against, Report, ReportRun
from fleet.core.rollout.action import Action, Evict
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CommandRecord, RolloutStarted
from fleet.core.rollout.decisions import HookEnded, HookStarted, StepFinished
from fleet.core.rollout.record import ActionEnded, UnknownRecord
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_duration

RELEASE = "counts as unavailable until an operator releases it: fleet rollout release NODE"
Mood = Literal["good", "open", "bad"]
"""open: not ended, or ended without everything done."""

SHORT = 12
"""Characters of a hash or an id that are enough to distinguish it."""


class ReportEvent(NamedTuple):
    at: datetime
    by: str
    message: str


class Case(NamedTuple):
    state: Literal["failed", "held"]
    message: str
    advice: str
    nodes: tuple[tuple[str, str], ...]
    """Cluster and name."""


def headline(report: Report) -> str:
    """`All 57 nodes run 44.20261101.3.0`, `55 of 57 nodes run 44.20261101.3.0`."""
    counts, version = report.counts, report.target.version
    if counts.done < counts.nodes:
        return f"{number(counts.done)} of {nodes(counts.nodes)} run {version}"
    return f"The node runs {version}" if counts.nodes == 1 else f"All {nodes(counts.nodes)} run {version}"


def others(report: Report) -> list[str]:
    """Returns what became of the nodes that are not done: `2 failed`, `1 cancelled`."""
    counts = report.counts
    numbers = (
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
        (counts.running, "at work"),
        (counts.waiting, "waiting"),
    )
    return [f"{number(count)} {noun}" for count, noun in numbers if count]


def result(report: Report) -> str:
    """Returns the rollout's state in short: `finished`, `finished, 2 failed`, `halted: 2 of 57 failed`."""
    state = report.state
    if state == "halted":
        return f"halted: {report.why}"
    if state == "aborted" and report.ended is None:
        return "aborted, finishing what had begun"
    failed = report.counts.failed
    return f"{state}, {number(failed)} failed" if failed and report.ended is not None else state


def mood(report: Report) -> Mood:
    if report.journal.verdict.verified is False or report.state in ("halted", "aborted"):
        return "bad"
    done = report.state == "finished" and report.counts.done == report.counts.nodes
    return "good" if done else "open"


def proven(report: Report) -> str:
    """Returns how many nodes are proven: `each proven by a new boot`, `54 of them proven by a new boot, 1 ran it
    before`."""
    counts = report.counts
    before = counts.done - counts.proven
    if not counts.proven:
        return "none proven by this rollout"
    if before:
        return f"{number(counts.proven)} proven by a new boot, {number(before)} ran it before"
    return "each proven by a new boot" if counts.done > 1 else "proven by a new boot"


def verdict(report: Report) -> str:
    """Returns what is known of the journal: `verified, 4,211 entries`."""
    found = report.journal.verdict
    if found.verified:
        return f"verified: {number(found.entries)} entries, the chain is intact"
    if found.verified is None:
        return f"not checked{f': {found.why}' if found.why else ' (fleet audit verify)'}"
    return f"NOT INTACT: {found.why}"


def took(report: Report) -> str:
    """Returns how long the rollout took: `1h 52m, 4m longer than planned`; `18m so far, planned 1h 48m`. A reader who
    subtracts finds the difference that is shown."""
    against = report.against
    planned = f", planned {format_duration(against.planned_seconds)}" if against is not None else ""
    if report.ended is None:
        return f"{format_duration(report.seconds)} so far{planned}"
    if report.state == "aborted" and report.counts.cancelled:
        left = nodes(report.counts.cancelled)
        return f"{format_duration(report.seconds)} until it ended, aborted with {left} left{planned}"
    if against is None or against.seconds is None:
        return format_duration(report.seconds)
    return f"{format_duration(report.seconds)}, {difference(report.seconds - against.planned_seconds)}"


def bound(against: Against) -> str:
    """Returns the lower bound: `no order can be faster than 31m (limit of 5 for pool workers), with stage 1m,
    reboot 1m 30s`. The bound is for the times that the plan expected: runs that took less may end before it."""
    text = f"no order can be faster than {format_duration(against.bound_seconds)} ({against.bound_by})"
    lengths: dict[str, list[float]] = {}
    for known in against.durations:
        if known.part in PARTS:
            lengths.setdefault(known.part, []).append(known.p50)
    if not lengths:
        return text
    expected = ", ".join(f"{part.replace('_', ' ')} {_range(found)}" for part, found in lengths.items())
    text += f", had it gone as the plan expected: {expected}"
    if against.seconds is not None and against.seconds < against.bound_seconds:
        text += "; it took less than that"
    return text


def sentence(text: str) -> str:
    """Returns the text with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def _range(seconds: Sequence[float]) -> str:
    least, most = format_duration(min(seconds)), format_duration(max(seconds))
    return least if least == most else f"{least} to {most}"


def difference(seconds: float) -> str:
    """`4m longer than planned`, `12s sooner than planned`, `as planned`."""
    length = format_duration(abs(seconds))
    if length == "0s":
        return "as planned"
    return f"{length} {'longer' if seconds > 0 else 'sooner'} than planned"


def out_at_once(report: Report) -> str:
    """`at most 5 nodes unavailable (limit 10%)`."""
    limits = [f"limit {pool.limit}" for pool in report.pools if pool.limit]
    limit = f" ({limits[0]})" if len(report.pools) == 1 and limits else ""
    return f"at most {nodes(report.peak)} unavailable{limit}"


def origin(report: Report) -> str:
    """Returns the versions that the nodes came from: `44.20261015.3.0 (kernel 6.11.4)`, several with their counts."""
    kernels = {run.from_version: run.from_kernel for run in report.runs}
    several = len(report.from_versions) > 1
    told = []
    for version, count in report.from_versions.items():
        kernel = f" (kernel {kernels[version]})" if kernels.get(version) else ""
        told.append(f"{version or 'unknown'}{kernel}{f' on {number(count)}' if several else ''}")
    return ", ".join(told)


def target(report: Report) -> str:
    release = report.target
    return f"{release.version} (kernel {release.kernel})" if release.kernel else release.version


def where(report: Report) -> str:
    """`pool workers in east`."""
    pools = ", ".join(pool.name for pool in report.pools)
    return f"pool{'s' if len(report.pools) > 1 else ''} {pools} in {', '.join(report.clusters)}"


def cases(report: Report) -> list[Case]:
    """Returns what an operator should look at: nodes that failed, and nodes that are held, those with the same reason
    together."""
    found: dict[tuple[Literal["failed", "held"], str, str], list[tuple[str, str]]] = {}
    for run in report.runs:
        if run.ending == "failed":
            found.setdefault(("failed", run.why, RELEASE if run.slot else ""), []).append(
                (run.cluster, run.node)
            )
    for hold in report.held:
        found.setdefault(("held", hold.message, hold.remedy), []).append((hold.cluster, hold.node))
    return [Case(*what, tuple(names)) for what, names in found.items()]


def named(run: ReportRun) -> str:
    return f"{run.cluster}/{run.node}"


def happenings(report: Report) -> list[ReportEvent]:
    """Returns, in order of time, the users' commands and the engine's halts."""
    events = [ReportEvent(command.at, command.by, _command(command)) for command in report.commands] + [
        ReportEvent(halt.at, "fleet", f"halt: {halt.why}") for halt in report.halts
    ]
    if report.ended is not None:
        events.append(ReportEvent(report.ended, "fleet", "ended"))
    return sorted(events, key=lambda event: event.at)


def _command(command: OperatorCommand) -> str:
    text = f"{command.kind} {command.node}".rstrip()
    return f"{text}: {command.reason}" if command.reason else text


def steps(run: ReportRun) -> str:
    """Returns how long the steps took, `stage 58s, drain 48s, reboot 1m 4s`: those of a second or more, waiting
    aside."""
    lasted: dict[str, float] = {}
    for taken in run.steps:
        if taken.seconds is not None and taken.step not in ("pending", "staged"):
            lasted[taken.step] = lasted.get(taken.step, 0.0) + taken.seconds
    return ", ".join(
        f"{step} {format_duration(seconds)}"
        for step, seconds in lasted.items()
        if format_duration(seconds) != "0s"
    )


def quorum_words(each: QuorumAction) -> str:
    """Returns what was done for a quorum group: `etcd-east: read once more before the reboot, could do without it`."""
    result = each.result or "no answer"
    if each.kind == "read":
        meaning = "could do without the node" if result == "done" else f"the reboot was not sent ({result})"
        return f"{each.group}: read once more before the reboot, {meaning}{f': {each.detail}' if each.detail else ''}"
    return f"{each.group}: {each.kind} {result}{f': {each.detail}' if each.detail else ''}"


def troubles(run: ReportRun) -> Iterator[str]:
    """Yields what did not go well without being the reason of the run's end."""
    for retry in run.retries:
        yield f"tried again: {retry.why}"
    refusals = sum(eviction.refusals for eviction in run.evictions)
    if refusals:
        yield f"{counted(refusals, 'eviction')} refused at first"


def entry_words(entry: JournalEntry) -> str:
    """Returns an entry of the journal in one line."""
    match from_record(entry.record):
        case RolloutStarted(start=start):
            return f"plan {short_id(start.plan)}, {start.release.version}, {nodes(len(start.goals))}"
        case StepFinished() as ended:
            why = f": {ended.why}" if ended.why else ""
            return f"{ended.turn} -> {ended.to}{why}"
        case Evict() as action:
            return f"{action.id} {action.pod}"
        case Action() as action:
            return action.id
        case ActionEnded() as ended:
            more = f": {ended.detail}" if ended.detail else ""
            return f"{ended.id} {ended.result}{more}"
        case CommandRecord():
            return ""
        case HookStarted() | HookEnded() as hook:
            result = f" {hook.result}: {hook.message}" if isinstance(hook, HookEnded) else ""
            return f"{hook.hook} {hook.place.when}, attempt {hook.attempt}{result}"
        case UnknownRecord() as unknown:
            return f"cannot be read: {unknown.problem}"
        case said:
            return getattr(said, "why", "") or ""


def short(ident: str) -> str:
    """Returns the start of a hash or an id."""
    return ident[:SHORT]


def number(count: int) -> str:
    """`4,211`"""
    return f"{count:,}"


def nodes(count: int) -> str:
    return counted(count, "node")


def clock(moment: datetime, report: Report) -> str:
    """`09:04:17` in UTC; `7 Nov 09:04` where the rollout went over midnight."""
    utc = moment.astimezone(UTC)
    last = (report.ended or report.at).astimezone(UTC)
    if report.started.astimezone(UTC).date() == last.date() == utc.date():
        return f"{utc:%H:%M:%S}"
    return f"{utc.day:2} {utc:%b %H:%M}"


def day(moment: datetime) -> str:
    """`Mon 2 Nov 2026, 09:00 UTC`"""
    utc = moment.astimezone(UTC)
    return f"{utc:%a} {utc.day} {utc:%b %Y}, {utc:%H:%M} UTC"
