"""The sentences of a report of a span, the same on every surface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import floor
from typing import NamedTuple

from fleet.cli.report import answer
from fleet.cli.report.answer import Mood, number
from fleet.cli.report.changes.person import person
from fleet.core.reporting.period.compliance import (
    ComplianceException,
    ExceptionCause,
    GrantedException,
    PunctualityCounts,
    ReleaseCompliance,
)
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.period_report import PeriodReport, UnreportedNode
from fleet.core.reporting.report import Report, ReportRun
from fleet.core.text.counts import counted

LAPSING_DAYS = 30
"""An exception that lapses within so many days is said to."""
NAMED = 4
"""Nodes that a line names before it counts the rest."""
WHY = {
    "no-agent": "no agent has reported what the machine runs",
    "no-node": "there is a machine, and no Node object",
    "no-pool": "no pool of the policy has the node, so nothing is upgraded there",
    "no-rollout": "no rollout has named the node, so the journal proves nothing of it",
    "gone": "rollouts have named the node, and the inventory no longer has it",
}


class FailedRun(NamedTuple):
    """A failed run, and what was done about it."""

    report: Report
    run: ReportRun
    done: tuple[str, ...]


class GapGroup(NamedTuple):
    """Nodes that fleet knows too little about, for the same reason."""

    why: str
    nodes: tuple[UnreportedNode, ...]


class ExceptionGroup(NamedTuple):
    """Nodes that did not run one release in time, for the same causes."""

    version: str
    state: str
    causes: tuple[ExceptionCause, ...]
    granted: tuple[str, ...]
    """The granted exceptions that cover these nodes, by id."""
    exceptions: tuple[ComplianceException, ...]


def headline(report: PeriodReport) -> str:
    """`97.5% of 1,266 node patches due in 2026Q4 were in time`."""
    counts = report.compliance.counts
    if not counts.due:
        return f"Nothing was due in {report.span.name}"
    patches = "the 1 node patch" if counts.due == 1 else f"{number(counts.due)} node patches"
    were = "was" if counts.due == 1 else "were"
    return f"{percent(counts.share)} of {patches} due in {report.span.name} {were} in time"


def rest(report: PeriodReport) -> list[str]:
    """Returns what was not in time: `12 late`, `3 overdue`, `40 not due yet`."""
    counts = report.compliance.counts
    parts = (
        (counts.late, "late"),
        (counts.overdue, "overdue"),
        (report.compliance.carried_over, "overdue since before"),
        (counts.open, "not due yet and open"),
        (counts.excepted, "excepted"),
    )
    return [f"{number(count)} {word}" for count, word in parts if count]


def mood(report: PeriodReport) -> Mood:
    counts = report.compliance.counts
    if report.journal.verdict.verified is False or counts.overdue or report.compliance.carried_over:
        return "bad"
    missed = counts.late or counts.excepted
    return "good" if counts.due and not missed and not undated(report) else "open"


def compliance_seal(report: PeriodReport) -> str:
    """Returns the result in a few words."""
    counts = report.compliance.counts
    if overdue := counts.overdue + report.compliance.carried_over:
        return f"{number(overdue)} overdue"
    if counts.late:
        return f"{number(counts.late)} late, none overdue"
    if counts.excepted:
        return f"{number(counts.excepted)} excepted, none overdue"
    if undated(report):
        return "some releases have no date"
    return "everything in time" if counts.due else "nothing was due"


def verdict(report: PeriodReport) -> str:
    """Returns what is known of the journal."""
    found = report.journal.verdict
    if found.verified:
        return f"verified: {number(found.entries)} entries, the chain is intact"
    return f"NOT INTACT: {found.why}"


def scope(report: PeriodReport) -> str:
    """`the whole fleet`, `pool workers`."""
    if not report.pools:
        return "the whole fleet"
    return f"pool{'s' if len(report.pools) > 1 else ''} {', '.join(report.pools)}"


def rule(deadline: Deadline) -> str:
    """`within 30 days of a release that fixes a critical vulnerability`."""
    since = "its release" if deadline.counted_from == "release" else "its first advisory"
    about = f" that fixes a {' or '.join(deadline.severities)} vulnerability" if deadline.severities else ""
    return f"each release{about} within {counted(deadline.days, 'day')} of {since}"


def percent(share: float | None) -> str:
    """Returns the share in percent, rounded down: 100% means all."""
    if share is None:
        return "–"
    tenths = floor(share * 1000 + 1e-9)
    return f"{tenths // 10}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"


def days(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} d"


def undated(report: PeriodReport) -> list[ReleaseCompliance]:
    """Returns the releases whose date the stream does not name."""
    return [each for each in report.compliance.releases if each.counted_from is None]


def release_note(each: ReleaseCompliance) -> str:
    """Returns why a release has no figures; empty if it has."""
    if each.counted_from is None:
        return "the stream does not name its date: unknown"
    return "" if each.covered else "fixes nothing that the rule is about: not counted"


def bar(counts: PunctualityCounts) -> list[tuple[str, int, float, float]]:
    """Returns the parts of a bar: name, count, left and width in percent."""
    parts = (
        ("in-time", counts.in_time),
        ("late", counts.late),
        ("overdue", counts.overdue),
        ("open", counts.open),
        ("excepted", counts.excepted),
    )
    total, left, found = sum(count for _, count in parts), 0.0, []
    for name, count in parts:
        if count:
            width = 100 * count / total
            found.append((name, count, round(left, 3), round(width, 3)))
            left += width
    return found


def excepts(report: PeriodReport) -> bool:
    """Returns whether an exception was in force for any node: only then do tables have a column for that."""
    compliance = report.compliance
    of_releases = [each.counts for each in compliance.releases]
    of_quarters = [each.counts for each in compliance.trend]
    return any(each.excepted for each in (compliance.counts, *of_releases, *of_quarters))


def exception_groups(report: PeriodReport) -> list[ExceptionGroup]:
    """Returns the exceptions, those with the same release and causes together; overdue ones first, excepted ones
    last."""
    found: dict[tuple[str, str, tuple[ExceptionCause, ...], tuple[str, ...]], list[ComplianceException]] = {}
    for each in report.compliance.exceptions:
        found.setdefault((each.version, each.state, each.causes, each.granted), []).append(each)
    groups = [ExceptionGroup(*key, tuple(members)) for key, members in found.items()]
    order = ("overdue", "late", "excepted")
    return sorted(groups, key=lambda each: (order.index(each.state), -len(each.exceptions)))


def reasons(group: ExceptionGroup) -> list[str]:
    """Returns what is on record about the nodes of the group."""
    granted = [f"exception {ident}" for ident in group.granted]
    return [*granted, *(cause.detail for cause in group.causes)] or ["nothing on record"]


def granted_title(each: GrantedException) -> str:
    """`x-1, pool edge and 2 nodes, release 44.2: in force until 2026-12-24`."""
    pools = [f"pool {name}" for name in each.pools]
    scope = ", ".join([*pools, *([named(each.nodes)] if each.nodes else [])])
    release = f"release {each.version}" if each.version else "every release"
    return f"{each.id}, {scope}, {release}: {each.state}{_until(each)}"


def _until(each: GrantedException) -> str:
    if each.state == "revoked" and each.revoked is not None:
        return f" {answer.day(each.revoked)}"
    lapses = ""
    if each.lapses_in_days is not None and each.lapses_in_days <= LAPSING_DAYS:
        lapses = f", and lapses in {days(max(0.0, each.lapses_in_days))}"
    return f" until {answer.day(each.until)}{lapses}"


def granted_facts(each: GrantedException) -> list[str]:
    """Returns who decided on the exception, why, and how many node patches it excepts."""
    granted = f", granted by {each.approver} {answer.day(each.granted)}" if each.granted is not None else ""
    return [
        each.reason,
        f"owner: {each.owner}; asked for by {each.author} {answer.day(each.requested)}{granted}",
        f"excepts {number(each.excepted)} {'node patch' if each.excepted == 1 else 'node patches'}",
    ]


def longest(group: ExceptionGroup) -> float:
    """Returns the most days that a node of the group was over the deadline."""
    return max(each.days_over for each in group.exceptions)


def failures(report: PeriodReport) -> list[FailedRun]:
    """Returns the failed runs in the order of time, each with what was done about it."""
    done: dict[tuple[str, str], list[tuple[Report, ReportRun]]] = {}
    for rollout in report.rollouts:
        for run in rollout.runs:
            if run.ending == "done":
                done.setdefault((run.cluster, run.node), []).append((rollout, run))
    return [
        FailedRun(rollout, run, tuple(_done(rollout, run, done.get((run.cluster, run.node), ()))))
        for rollout in report.rollouts
        for run in rollout.runs
        if run.ending == "failed"
    ]


def _done(rollout: Report, run: ReportRun, done: Iterable[tuple[Report, ReportRun]]) -> Iterable[str]:
    """Yields what was done about a failed run. `done`: the node's runs that succeeded."""
    if run.rolled_back:
        yield f"the machine went back to {run.rolled_back} by itself"
    for command in rollout.commands:
        if command.node == f"{run.cluster}/{run.node}":
            reason = f": {command.reason}" if command.reason else ""
            yield f"{command.kind} by {person(command.by)}, {answer.day(command.at)}{reason}"
    later = [(other, again) for other, again in done if other.started > rollout.started]
    for other, again in later[:1]:
        ended = f", {answer.day(again.ended)}" if again.ended is not None else ""
        yield f"upgraded to {again.to_version} by {other.rollout}{ended}"
    if run.slot and not later:
        yield "nothing yet: the node still counts as out"


def overrides(report: PeriodReport) -> list[str]:
    """Returns the rollouts that ignored freezes, and the approvals that allowed it, each with its reason."""
    lines = []
    for rollout in report.rollouts:
        if rollout.override_freeze:
            lines.append(f"{rollout.rollout}, started by {person(rollout.by)}: {rollout.override_freeze}")
        lines += [
            f"{rollout.rollout}, allowed by {each.by.name} {answer.day(each.at)}: {each.override}"
            for each in rollout.approvals
            if each.override
        ]
    return lines


def gaps(report: PeriodReport) -> list[GapGroup]:
    """Returns the nodes that fleet knows too little about, by reason."""
    found: dict[str, list[UnreportedNode]] = {}
    for each in report.unseen.nodes:
        found.setdefault(each.why, []).append(each)
    return [GapGroup(WHY[why], tuple(nodes)) for why, nodes in found.items()]


def named(names: Sequence[str]) -> str:
    """`east/n-1, east/n-2 and 8 more`."""
    more = f" and {number(len(names) - NAMED)} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def started_by(report: PeriodReport) -> str:
    """Returns who started rollouts, the most frequent first: `ada@desk (3), cyd@ops (1)`."""
    counts = Counter(person(rollout.by) for rollout in report.rollouts)
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common()) or "nobody"


def work(report: PeriodReport) -> str:
    """`2,014 runs on 812 nodes: 2,010 done (2,008 proven by a new boot), 4 failed`."""
    totals = report.totals
    parts = [f"{number(totals.done)} done ({number(totals.proven)} proven by a new boot)"]
    for count, word in (
        (totals.failed, "failed"),
        (totals.cancelled, "cancelled"),
        (totals.unfinished, "not ended"),
    ):
        if count:
            parts.append(f"{number(count)} {word}")
    return f"{counted(totals.runs, 'run')} on {counted(totals.nodes, 'node')}: {', '.join(parts)}"
