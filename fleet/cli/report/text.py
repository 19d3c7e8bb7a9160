"""A report as plain lines: the answer first, then why, then every node with its proof. Made for 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from fleet.cli.report import answer, approvals, hooks
from fleet.core.planning.plan import short_id
from fleet.core.reporting.report import Report, ReportRun
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_duration
from fleet.core.text.visible import visible

WIDTH = 80
SHORT_BOOT = 7
"""Characters of a boot id: enough to see that it changed. The JSON and the page have all of it."""
LOG_LINES = 10
"""Lines of a failed boot's log. The JSON and the page have all that was kept."""


def text(report: Report) -> str:
    """Returns the report as plain text that ends with a newline. Only names that are too long by themselves make a
    line longer than 80."""
    parts = (
        _answer(report),
        _attention(report),
        _event_lines(report),
        _hooks(report),
        _measures(report),
        _requests(report),
        _nodes(report),
        _end(report),
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _answer(report: Report) -> Iterator[str]:
    others = "".join(f"; {other}" for other in answer.others(report))
    yield from wrapped("", f"{answer.headline(report)}, {answer.proven(report)}{others}.", 0)
    against = report.against
    facts = [
        ("rollout", f"{report.rollout}, {answer.result(report)}"),
        ("started", f"{answer.day(report.started)} by {report.by}"),
        *approvals.approved(report),
        ("what", f"plan {short_id(report.plan)}, {answer.where(report)}"),
        ("from", answer.origin(report)),
        ("to", answer.target(report)),
        ("took", f"{answer.took(report)}; {answer.out_at_once(report)}"),
    ]
    if against is not None:
        late = f" (p95 {format_duration(against.p95_seconds)})" if against.p95_seconds is not None else ""
        facts.append(
            ("planned", f"{format_duration(against.planned_seconds)}{late}; {answer.bound(against)}")
        )
    facts.append(("moved", _evictions(report)))
    facts.append(("journal", answer.verdict(report)))
    for name, value in facts:
        yield from wrapped(f"  {name:<9}", value, 11)


def _evictions(report: Report) -> str:
    counts = report.counts
    refused = f", {counted(counts.refusals, 'eviction')} refused at first" if counts.refusals else ""
    return f"{counted(counts.evictions, 'pod')}{refused}"


def _attention(report: Report) -> Iterator[str]:
    cases = answer.cases(report)
    if cases:
        yield "Needs attention"
    for case in cases:
        names = ", ".join(_name(cluster, node, report) for cluster, node in case.nodes)
        yield from wrapped("  ", f"{names} {case.state}: {case.message}", 4)
        if case.advice:
            yield from wrapped("    ", case.advice, 4)


def _event_lines(report: Report) -> Iterator[str]:
    yield "Who did what (UTC)"
    for event in answer.happenings(report):
        yield from wrapped(visible(f"  {answer.clock(event.at, report)}  {event.by}  "), event.message, 4)


def _hooks(report: Report) -> Iterator[str]:
    runs = list(hooks.all_of(report))
    if runs:
        yield "Hooks"
    for at, node, run in runs:
        yield from wrapped(visible(f"  {answer.clock(at, report)}  {node}"), visible(hooks.words(run)), 4)
        if run.result != "passed":
            yield from (f"    {visible(line)}" for line in run.output.splitlines()[-hooks.OUTPUT_LINES :])


def _measures(report: Report) -> Iterator[str]:
    rows = [
        [
            duration.step,
            format_duration(duration.median_seconds),
            format_duration(duration.p95_seconds),
            format_duration(duration.max_seconds),
        ]
        for duration in report.durations
    ]
    if rows:
        yield from table_lines(["Step", "median", "p95", "longest"], rows, right=(1, 2, 3))


def _requests(report: Report) -> Iterator[str]:
    rows = [
        [f"{request.verb} {request.resource}", f"{request.count:,}", f"{request.per_node:.1f}"]
        for request in report.requests
    ]
    if rows:
        yield from table_lines(["API requests", "sent", "a node"], rows, right=(1, 2))


def _nodes(report: Report) -> Iterator[str]:
    rows = [_row(run, report) for run in report.runs]
    head = ["Node", "began", "took", "pods", "result", "kernel", "boot id"]
    lines = table_lines(head, rows, right=(2, 3))
    yield next(lines)
    several = len(report.from_versions) > 1
    for run, line in zip(report.runs, lines, strict=True):
        yield line
        if run.log:
            yield "  end of the log of the boot that failed:"
            yield from (f"    {line}" for line in run.log.splitlines()[-LOG_LINES:])
        if several:
            yield visible(f"  {run.from_version or 'unknown'} -> {run.to_version}")


def _row(run: ReportRun, report: Report) -> list[str]:
    begun = answer.clock(run.begun, report) if run.begun is not None else "-"
    took = format_duration(run.seconds) if run.seconds is not None else "-"
    moved = sum(eviction.result == "done" for eviction in run.evictions)
    ending = run.step if run.ending in ("running", "waiting") else run.ending
    canary = "*" if run.canary else ""
    row = [
        f"{_name(run.cluster, run.node, report)}{canary}",
        begun,
        took,
        str(moved),
        ending,
    ]
    if run.proof is None:
        return [*row, "not proven" if run.ending == "failed" else "-", "-"]
    before, after = (ident[:SHORT_BOOT] for ident in (run.proof.boot_id_before, run.proof.boot_id_after))
    return [*row, run.proof.kernel, f"{before} -> {after}"]


def _end(report: Report) -> Iterator[str]:
    journal = report.journal
    if any(run.canary for run in report.runs):
        yield "* canary"
    yield (
        f"Journal: {answer.number(journal.entries)} entries of this rollout, "
        f"{journal.first_seq} to {journal.last_seq},"
    )
    yield f"  from {answer.short(journal.first_hash)} to {answer.short(journal.last_hash)}"
    for controller in report.controllers:
        yield visible(
            f"  {answer.number(controller.entries)} by {controller.actor}, epoch {controller.epoch}"
        )
    yield f"Every step, eviction and entry: fleet report {report.rollout} -o html or -o json"


def _name(cluster: str, node: str, report: Report) -> str:
    return node if len(report.clusters) == 1 else f"{cluster}/{node}"


def wrapped(head: str, text: str, indent: int) -> list[str]:
    """Returns `head` and `text` as lines; further lines begin at `indent`. Long words are never broken."""
    return wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    """Yields the lines of a table. `right`: the columns whose cells are aligned to the right."""
    lines = [head, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in lines) for index in range(len(head))]
    for row in lines:
        cells = [
            f"{cell:>{width}}" if index in right else f"{cell:<{width}}"
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
