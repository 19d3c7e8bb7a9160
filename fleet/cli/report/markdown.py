"""Reports as Markdown, for a ticket: the answer, what needs a look, and one line a rollout. Not every node.

GitHub's, GitLab's and Jira's readers understand it (tables as in GitHub Flavored Markdown).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fleet.cli.report import answer, approvals, period_answer
from fleet.core.planning.plan import short_id
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.reporting.report import Report
from fleet.core.text.visible import visible

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~@])")
MOST = 20
"""Groups of exceptions, cases and failures that are listed before the rest is counted."""


def rollout(report: Report) -> str:
    """Returns the report of one rollout."""
    others = "".join(f"; {each}" for each in answer.others(report))
    lines = [
        f"## Rollout {report.rollout}: {_text(answer.result(report))}",
        "",
        f"**{_text(answer.headline(report))}**, {_text(answer.proven(report))}{others}.",
        "",
        *_table(
            ["", ""],
            [
                ["Started", f"{answer.day(report.started)} by {report.by}"],
                ["What", f"plan {short_id(report.plan)}, {answer.where(report)}"],
                ["From", answer.origin(report)],
                ["To", answer.target(report)],
                ["Took", f"{answer.took(report)}; {answer.out_at_once(report)}"],
                *([name.capitalize(), text] for name, text in approvals.approved(report)),
                ["Journal", answer.verdict(report)],
            ],
        ),
    ]
    cases = answer.cases(report)
    if cases:
        lines += ["", "### Needs attention", ""]
    for case in cases[:MOST]:
        names = period_answer.named([f"{cluster}/{node}" for cluster, node in case.nodes])
        advice = f" → {case.advice}" if case.advice else ""
        lines.append(f"- {_text(f'{names} {case.state}: {case.message}{advice}')}")
    lines += _more(len(cases))
    return "\n".join(lines) + "\n"


def period(report: PeriodReport) -> str:
    """Returns the report of a span."""
    rest = "".join(f"; {each}" for each in period_answer.rest(report))
    compliance = report.compliance
    lines = [
        f"## Patching of {_text(period_answer.scope(report))}, {_text(report.span.name)}",
        "",
        f"**{_text(period_answer.headline(report))}**{rest}.",
        "",
        f"Rule: {_text(period_answer.rule(compliance.deadline))}. {_text(compliance.deadline.source)}".rstrip(),
        "",
        *_table(
            ["Release", "Due", "In time", "Late", "Overdue", "Excepted", "Open", "Longest"],
            list(_releases(report)),
        ),
        "",
        *_table(
            ["Quarter", "Due", "In time", "Exposure (node days)"],
            [
                [
                    each.quarter,
                    f"{each.counts.due:,}",
                    period_answer.percent(each.counts.share),
                    f"{each.exposure_node_days:,.1f}",
                ]
                for each in compliance.trend
            ],
        ),
        *_exceptions(report),
        *_granted(report),
        "",
        "### Rollouts",
        "",
        *_table(
            ["Rollout", "Began", "By", "To", "Done", "Failed", "State"],
            [
                [
                    each.rollout,
                    answer.day(each.started),
                    each.by,
                    each.target.version,
                    f"{each.counts.done:,} of {each.counts.nodes:,}",
                    f"{each.counts.failed:,}",
                    each.state,
                ]
                for each in report.rollouts
            ],
        ),
        *_overrides(report),
        *_failures(report),
        *_gaps(report),
        "",
        f"Journal {_text(period_answer.verdict(report))}.",
    ]
    return "\n".join(lines) + "\n"


def _releases(report: PeriodReport) -> Iterator[list[str]]:
    for each in report.compliance.releases:
        counts = each.counts
        yield [
            each.version,
            f"{each.due:%Y-%m-%d}" if each.due is not None else "unknown",
            period_answer.release_note(each) or f"{counts.in_time:,} ({period_answer.percent(counts.share)})",
            *(f"{count:,}" for count in (counts.late, counts.overdue, counts.excepted, counts.open)),
            period_answer.days(each.max_days),
        ]


def _exceptions(report: PeriodReport) -> Iterator[str]:
    groups = period_answer.exception_groups(report)
    if groups:
        yield from ("", "### Exceptions", "")
    for group in groups[:MOST]:
        names = period_answer.named([f"{each.cluster}/{each.node}" for each in group.exceptions])
        causes = "; ".join(period_answer.reasons(group))
        over = period_answer.days(period_answer.longest(group))
        yield f"- {_text(f'{group.state} {group.version}, up to {over} over: {names} ({causes})')}"
    yield from _more(len(groups))


def _granted(report: PeriodReport) -> Iterator[str]:
    if report.compliance.granted:
        yield from ("", "### Exceptions that users decided on", "")
    for each in report.compliance.granted:
        facts = "; ".join(period_answer.granted_facts(each))
        yield f"- {_text(f'{period_answer.granted_title(each)}; {facts}')}"


def _overrides(report: PeriodReport) -> Iterator[str]:
    found = period_answer.overrides(report)
    if found:
        yield from ("", "### Starts in spite of a freeze", "")
    for line in found:
        yield f"- {_text(line)}"


def _failures(report: PeriodReport) -> Iterator[str]:
    failed = period_answer.failures(report)
    if failed:
        yield from ("", "### Failures and what was done", "")
    for each in failed[:MOST]:
        done = "".join(f"; {words}" for words in each.done)
        yield f"- {_text(f'{each.report.rollout} {answer.named(each.run)}: {each.run.why}{done}')}"
    yield from _more(len(failed))


def _gaps(report: PeriodReport) -> Iterator[str]:
    lines = [f"cluster {each.cluster}: {each.why}" for each in report.unseen.clusters]
    if report.unseen.boots:
        names = period_answer.named([f"{each.cluster}/{each.node}" for each in report.unseen.boots])
        lines.append(f"booted without a rollout: {names}")
    for group in period_answer.gaps(report):
        names = period_answer.named([f"{each.cluster}/{each.node}" for each in group.nodes])
        lines.append(f"{group.why}: {names}")
    if lines:
        yield from ("", "### What fleet did not see", "")
    for line in lines:
        yield f"- {_text(line)}"


def _more(count: int) -> list[str]:
    return [f"- and {count - MOST} more"] if count > MOST else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(_text(cell) for cell in row)} |"


def _text(words: str) -> str:
    """Returns one line of Markdown that shows these words: marks are escaped, so that a machine's words make no link,
    heading, mention or cell of their own."""
    return _MARKS.sub(r"\\\1", visible(words))
