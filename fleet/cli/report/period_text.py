"""A report of a span as plain lines: compliance first, then exceptions, rollouts, failures and gaps. 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.cli.report import answer, period_answer
from fleet.cli.report.changes.change_row import changes
from fleet.cli.report.text import table_lines, wrapped
from fleet.cli.terminal.person import person
from fleet.core.reporting.period.period_report import PeriodReport

GROUPS = 20
"""Groups of exceptions, and failures, that are listed before the rest is counted; JSON, HTML and CSV have all."""


def text(report: PeriodReport) -> str:
    """Returns the report as plain text that ends with a newline."""
    parts = (
        _answer(report),
        _releases(report),
        _trend(report),
        _exceptions(report),
        _granted(report),
        _rollouts(report),
        _refusals(report),
        _overrides(report),
        _failures(report),
        _gaps(report),
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _answer(report: PeriodReport) -> Iterator[str]:
    rest = "".join(f"; {each}" for each in period_answer.rest(report))
    yield from wrapped("", f"{period_answer.headline(report)}{rest}.", 0)
    compliance = report.compliance
    facts = [
        ("span", f"{report.span.name}, {period_answer.scope(report)}"),
        ("rule", period_answer.rule(compliance.deadline)),
        ("source", compliance.deadline.source),
        ("exposure", f"{compliance.exposure_node_days:,.1f} node days; {_exposed(report)}"),
        ("work", period_answer.work(report)),
        ("started", period_answer.started_by(report)),
        ("journal", period_answer.verdict(report)),
    ]
    for name, value in facts:
        if value:
            yield from wrapped(f"  {name:<9}", value, 11)


def _exposed(report: PeriodReport) -> str:
    compliance = report.compliance
    return f"at the end {compliance.exposed_at_end:,} of {answer.nodes(compliance.nodes)} lacked a release"


def _releases(report: PeriodReport) -> Iterator[str]:
    rows, notes, excepts = [], [], period_answer.excepts(report)
    for each in report.compliance.releases:
        counts = each.counts
        due = f"{each.due:%Y-%m-%d}" if each.due is not None else "unknown"
        rows.append(
            [
                each.version,
                due,
                period_answer.percent(counts.share),
                *(f"{count:,}" for count in (counts.in_time, counts.late, counts.overdue, counts.open)),
                f"{counts.excepted:,}" if excepts else period_answer.days(each.median_days),
                period_answer.days(each.max_days),
            ]
        )
        if note := period_answer.release_note(each):
            notes.append(f"  {each.version}: {note}")
    if rows:
        # 80 columns have no room for both.
        more = ["excepted", "max"] if excepts else ["median", "longest"]
        head = ["Release", "due", "in time", "yes", "late", "overdue", "open", *more]
        yield from table_lines(head, rows, right=(2, 3, 4, 5, 6, 7, 8))
        yield from notes


def _trend(report: PeriodReport) -> Iterator[str]:
    excepts = period_answer.excepts(report)
    rows = [
        [
            each.quarter,
            f"{each.counts.due:,}",
            period_answer.percent(each.counts.share),
            f"{each.counts.late:,}",
            f"{each.counts.overdue:,}",
            *([f"{each.counts.excepted:,}"] if excepts else []),
            f"{each.exposure_node_days:,.1f}",
        ]
        for each in report.compliance.trend
    ]
    more = ["excepted"] if excepts else []
    head = ["Quarter", "due", "in time", "late", "overdue", *more, "node days"]
    yield from table_lines(head, rows, right=range(1, len(head)))


def _exceptions(report: PeriodReport) -> Iterator[str]:
    groups = period_answer.exception_groups(report)
    if groups:
        yield "Exceptions"
    for group in groups[:GROUPS]:
        names = period_answer.named([f"{each.cluster}/{each.node}" for each in group.exceptions])
        over = period_answer.days(period_answer.longest(group))
        yield from wrapped("  ", f"{group.state} {group.version}, up to {over} over: {names}", 4)
        for line in period_answer.reasons(group):
            yield from wrapped("    ", line, 6)
    if len(groups) > GROUPS:
        yield f"  and {len(groups) - GROUPS} more groups (-o json)"


def _granted(report: PeriodReport) -> Iterator[str]:
    if report.compliance.granted:
        yield "Exceptions that users decided on"
    for each in report.compliance.granted:
        yield from wrapped("  ", period_answer.granted_title(each), 4)
        for line in period_answer.granted_facts(each):
            yield from wrapped("    ", line, 6)


def _rollouts(report: PeriodReport) -> Iterator[str]:
    rows = [
        [
            each.rollout,
            f"{each.started:%Y-%m-%d}",
            person(each.by),
            each.target.version,
            f"{each.counts.done:,}/{each.counts.nodes:,}",
            f"{each.counts.failed:,}",
            each.state,
        ]
        for each in report.rollouts
    ]
    if rows:
        yield from table_lines(
            ["Rollout", "began", "by", "to", "done", "failed", "state"], rows, right=(4, 5)
        )


def _refusals(report: PeriodReport) -> Iterator[str]:
    refused = [row for row in changes(report) if not row.rollout]
    if refused:
        yield "Plans that were refused"
    for row in refused:
        yield from wrapped("  ", f"{row.at:%Y-%m-%d %H:%M} by {row.by}: {row.why}", 4)


def _overrides(report: PeriodReport) -> Iterator[str]:
    found = period_answer.overrides(report)
    if found:
        yield "Starts in spite of a freeze"
    for line in found:
        yield from wrapped("  ", line, 4)


def _failures(report: PeriodReport) -> Iterator[str]:
    failed = period_answer.failures(report)
    if failed:
        yield "Failures and what was done"
    for each in failed[:GROUPS]:
        yield from wrapped("  ", f"{each.report.rollout} {answer.named(each.run)}: {each.run.why}", 4)
        for done in each.done:
            yield from wrapped("    ", done, 6)
    if len(failed) > GROUPS:
        yield f"  and {len(failed) - GROUPS} more (-o json)"


def _gaps(report: PeriodReport) -> Iterator[str]:
    unseen, lines = report.unseen, []
    for cluster in unseen.clusters:
        seen = f", last seen {answer.day(cluster.last_seen)}" if cluster.last_seen is not None else ""
        lines.append(f"cluster {cluster.cluster}: {cluster.why}{seen}")
    lines += [
        f"{each.cluster}/{each.node} booted without a rollout, {answer.day(each.seen)}"
        for each in unseen.boots[:GROUPS]
    ]
    if len(unseen.boots) > GROUPS:
        lines.append(f"and {len(unseen.boots) - GROUPS} more such boots")
    for group in period_answer.gaps(report):
        names = period_answer.named([f"{each.cluster}/{each.node}" for each in group.nodes])
        lines.append(f"{group.why}: {names}")
    if lines:
        yield "What fleet did not see"
    for line in lines:
        yield from wrapped("  ", line, 4)
