"""Makes the report of a span. Pure: the journal's entries and what the inventory says in, a frozen report out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import UNSET

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.freeze import Freeze
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.node_timeline import OperatorCommand
from fleet.core.reporting.period.compliance import Compliance
from fleet.core.reporting.period.history import freezes_of
from fleet.core.reporting.period.period_report import (
    ForeignBoot,
    FreezeInForce,
    PeriodJournal,
    PeriodReport,
    PeriodTotals,
    UnseenParts,
)
from fleet.core.reporting.period.span import ReportSpan
from fleet.core.reporting.report import Report, Verdict
from fleet.core.reporting.reporter import report_of
from fleet.core.reporting.timeline import Timeline
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CommandRecord
from fleet.core.rollout.steps import Step

LAG = timedelta(minutes=10)
"""How long after the end of a run a boot still counts as that run's: a machine that rolls back boots once more, and a
watch may be late."""


def report_of_rollout(
    rollout: str, entries: Iterable[JournalEntry], span: ReportSpan, at: datetime, pools: Sequence[str]
) -> tuple[Report, Policy]:
    """Returns the report of one rollout up to the end of the span, without its entries, and the policy that it was
    started with. Raises LookupError if no entry starts that rollout, ValueError and KeyError as `Timeline.apply`."""
    timeline = Timeline(rollout, keep_entries=False)
    timeline.apply(entry for entry in entries if entry.at < span.end)
    if timeline.rollout is None:
        raise LookupError(f"the journal has no rollout {rollout} before {span.end:%Y-%m-%d}")
    verdict = Verdict(why="journal.verdict of the whole report has the result")
    return report_of(timeline, min(at, span.end), verdict, pools=pools), timeline.rollout.policy


def period_report(
    span: ReportSpan,
    at: datetime,
    pools: Sequence[str],
    reports: Sequence[tuple[Report, Policy]],
    compliance: Compliance,
    commands: Iterable[JournalEntry],
    unseen: UnseenParts,
    journal: PeriodJournal,
) -> PeriodReport:
    """Returns the report, unsigned. `reports`: of the rollouts that were active in the span, oldest first. `commands`:
    entries of commands, of which those within the span that belong to no rollout are reported."""
    rollouts = tuple(report for report, _ in reports)
    return PeriodReport(
        kind="fleet period report",
        at=at,
        span=span,
        pools=tuple(pools),
        totals=_totals(rollouts),
        compliance=compliance,
        rollouts=rollouts,
        commands=tuple(_commands(commands, span)),
        freezes=tuple(_freezes(reports, span)),
        unseen=unseen,
        journal=journal,
    )


def _totals(rollouts: Sequence[Report]) -> PeriodTotals:
    counts = [report.counts for report in rollouts]
    return PeriodTotals(
        rollouts=len(rollouts),
        nodes=len({(run.cluster, run.node) for report in rollouts for run in report.runs}),
        runs=sum(count.nodes for count in counts),
        done=sum(count.done for count in counts),
        proven=sum(count.proven for count in counts),
        failed=sum(count.failed for count in counts),
        cancelled=sum(count.cancelled for count in counts),
        unfinished=sum(count.running + count.waiting for count in counts),
        evictions=sum(count.evictions for count in counts),
        refusals=sum(count.refusals for count in counts),
        halts=sum(len(report.halts) for report in rollouts),
    )


def _commands(entries: Iterable[JournalEntry], span: ReportSpan) -> Iterable[OperatorCommand]:
    for entry in entries:
        if entry.record.form == "command" and not entry.record.rollout and span.begin <= entry.at < span.end:
            record = from_record(entry.record)
            reason = record.reason if isinstance(record, CommandRecord) else ""
            detail = entry.record.detail
            about = entry.record.node or str(
                detail.get("cluster") or detail.get("plan") or detail.get("id") or ""
            )
            yield OperatorCommand(entry.at, entry.seq, entry.actor, entry.record.kind, about, reason)


def _freezes(reports: Sequence[tuple[Report, Policy]], span: ReportSpan) -> Iterable[FreezeInForce]:
    by_freeze: dict[Freeze, list[str]] = {}
    for report, policy in reports:
        for freeze in freezes_of(policy).during(span.begin, span.end):
            by_freeze.setdefault(freeze, []).append(report.rollout)
    for freeze, rollouts in sorted(by_freeze.items(), key=lambda item: (item[0].begin, item[0].until)):
        where = str(freeze.scope) if freeze.scope else UNSET
        yield FreezeInForce(freeze.name, freeze.begin, freeze.until, tuple(rollouts), where)


def foreign_boots(
    seen: Iterable[tuple[NodeRef, str, datetime]], reports: Iterable[Report], span: ReportSpan, at: datetime
) -> tuple[ForeignBoot, ...]:
    """Returns the boots within the span that no rollout asked for: no proof names them, and no run was between its
    reboot and its end. `seen`: node, boot id and when it was first seen, in the order of time; the first boot of a node
    is the one that it was found with."""
    own_boots: set[str] = set()
    at_work: dict[NodeRef, list[tuple[datetime, datetime]]] = {}
    for report in reports:
        for run in report.runs:
            if run.proof is not None:
                own_boots |= {run.proof.boot_id_before, run.proof.boot_id_after}
            reboot = next((step.start for step in run.steps if step.step == Step.REBOOT), None)
            if reboot is not None:
                at_work.setdefault(NodeRef(run.cluster, run.node), []).append(
                    (reboot, (run.ended or at) + LAG)
                )
    known: set[NodeRef] = set()
    boots: list[ForeignBoot] = []
    for ref, boot_id, first in seen:
        during = any(begin <= first <= end for begin, end in at_work.get(ref, ()))
        if ref in known and boot_id not in own_boots and not during and span.begin <= first < span.end:
            boots.append(ForeignBoot(ref.cluster, ref.name, boot_id, first))
        known.add(ref)
    return tuple(boots)
