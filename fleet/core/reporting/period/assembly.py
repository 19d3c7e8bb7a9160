"""Makes the report of a span from the journal and the evidence beside it; the same code makes a report and verifies one
that was made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from fleet.core.approval.exceptions import KINDS as EXCEPTION_KINDS
from fleet.core.approval.exceptions import Exceptions, PatchException
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.period.deadline import Deadline, deadline_of
from fleet.core.reporting.period.diff import Difference, differences
from fleet.core.reporting.period.evidence import PeriodEvidence, histories, policies
from fleet.core.reporting.period.history import KINDS, FleetHistory, NodeHistory
from fleet.core.reporting.period.measure import in_pools, measure
from fleet.core.reporting.period.period_report import PeriodJournal, PeriodReport, UnseenParts
from fleet.core.reporting.period.period_reporter import period_report, report_of_rollout
from fleet.core.reporting.period.span import ReportSpan, span_of
from fleet.core.reporting.report import Report, Verdict
from fleet.core.rollout.commands import COMMANDS

COMMAND_KINDS = tuple(str(each.__struct_config__.tag) for each in COMMANDS)
Unseen = Callable[[Sequence[Report], Mapping[NodeRef, NodeHistory]], UnseenParts]
"""Returns what fleet did not see, from the reports and the histories of the nodes."""


class JournalEntries(Protocol):
    """The entries of a journal, all up to one place."""

    def entries(
        self, *, rollout: str | None = None, kinds: Collection[str] = ()
    ) -> Iterator[JournalEntry]: ...


class EntriesUpTo:
    """The entries of another source up to one place: what is appended while a report is made is not in it."""

    def __init__(self, source: JournalEntries, last: int) -> None:
        self._source = source
        self._last = last

    def entries(self, *, rollout: str | None = None, kinds: Collection[str] = ()) -> Iterator[JournalEntry]:
        for entry in self._source.entries(rollout=rollout, kinds=kinds):
            if entry.seq > self._last:
                return
            yield entry


class ListedEntries:
    """The entries of an exported journal."""

    def __init__(self, entries: Sequence[JournalEntry]) -> None:
        self._entries = entries
        self._of: dict[str, list[JournalEntry]] = {}
        for entry in entries:
            self._of.setdefault(entry.record.rollout, []).append(entry)

    def entries(self, *, rollout: str | None = None, kinds: Collection[str] = ()) -> Iterator[JournalEntry]:
        chosen = self._entries if rollout is None else self._of.get(rollout, ())
        return (entry for entry in chosen if not kinds or entry.record.kind in kinds)


def fleet_history(journal: JournalEntries, end: datetime) -> FleetHistory:
    """Returns the history of all nodes and rollouts before `end`."""
    history = FleetHistory(end)
    history.apply(journal.entries(kinds=KINDS))
    return history


def assemble(
    journal: JournalEntries,
    history: FleetHistory,
    evidence: PeriodEvidence,
    span: ReportSpan,
    at: datetime,
    pools: Sequence[str],
    deadline: Deadline,
    unseen: Unseen,
    place: PeriodJournal,
) -> PeriodReport:
    """Returns the report, unsigned. `history`: of the same journal. Raises ValueError for a rollout whose entries make
    no rollout."""
    reports = list(_reports(journal, history, span, at, pools))
    nodes = histories(history.nodes, evidence, span.end)
    known = policies(history.policies, evidence)
    granted = _exceptions(journal, span.end)
    compliance = measure(in_pools(nodes.values(), pools), known, span, deadline, at, granted)
    return replace(
        period_report(
            span,
            at,
            pools,
            reports,
            compliance,
            journal.entries(kinds=COMMAND_KINDS),
            unseen([report for report, _ in reports], nodes),
            place,
        ),
        evidence=evidence,
    )


def _exceptions(journal: JournalEntries, end: datetime) -> list[PatchException]:
    """Returns the exceptions as they stood before `end`."""
    found = Exceptions()
    found.apply(entry for entry in journal.entries(kinds=EXCEPTION_KINDS) if entry.at < end)
    return list(found.values())


def _reports(
    journal: JournalEntries, history: FleetHistory, span: ReportSpan, at: datetime, pools: Sequence[str]
) -> Iterator[tuple[Report, Policy]]:
    """Yields the reports of the rollouts that were active in the span, one in memory as it is read."""
    for rollout in history.within(span.begin):
        if pools and rollout.pools.isdisjoint(pools):
            continue
        entries = journal.entries(rollout=rollout.rollout)
        try:
            yield report_of_rollout(rollout.rollout, entries, span, at, pools)
        except (LookupError, ValueError, TypeError) as error:
            raise ValueError(f"the entries of {rollout.rollout} make no rollout: {error}") from error


def recomputed(report: PeriodReport, entries: Sequence[JournalEntry]) -> Iterator[Difference]:
    """Yields how the report differs from one that is made again from the entries of a journal and the evidence in the
    report. What the inventory alone knows (`unseen`, `journal.verdict`) is taken from the report. Raises ValueError for
    entries that make no rollout, for a report without evidence, and for one whose span or deadline has no right
    name."""
    if report.evidence is None:
        raise ValueError("it has no evidence, because an older version of fleet made it")
    journal = EntriesUpTo(ListedEntries(entries), report.journal.last_seq)
    ours = list(journal.entries())
    place = place_of(ours[-1] if ours else None, report.journal.verdict)
    unseen = replace(report.unseen, history_since=ours[0].at if ours else None)
    again = assemble(
        journal,
        fleet_history(journal, report.span.end),
        report.evidence,
        report.span,
        report.at,
        report.pools,
        report.compliance.deadline,
        lambda _reports, _nodes: unseen,
        place,
    )
    deadline = report.compliance.deadline
    asked = replace(
        again,
        span=span_of(report.span.name),
        compliance=replace(again.compliance, deadline=deadline_of(deadline.name, deadline.counted_from)),
    )
    yield from differences(_plain(asked), _plain(report))


def _plain(report: PeriodReport) -> dict[str, Any]:
    """Returns the report as JSON has it. A report that was read from JSON has the same numbers: 0.0, where one that was
    just made may have 0."""
    text = msgspec.json.encode(replace(report, evidence=None))
    read = msgspec.json.decode(text, type=PeriodReport)
    return msgspec.json.decode(msgspec.json.encode(read), type=dict[str, Any])


def place_of(last: JournalEntry | None, verdict: Verdict) -> PeriodJournal:
    """Returns the place in the journal after its last entry. Entries are numbered from 1, without gaps."""
    seq = last.seq if last is not None else 0
    return PeriodJournal(seq, seq, last.hash if last is not None else "", verdict)
