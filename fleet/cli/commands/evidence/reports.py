"""Reports of one rollout and of all rollouts of a span of time: the work that was done, and its proof."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandWithSubcommands
from fleet.cli.report.period_content import (
    ReportContent,
    ReportForm,
    json_of,
    period_content,
    signed_page,
    why_unsigned,
)

if TYPE_CHECKING:
    from datetime import datetime

    from fleet.app.wiring.home import Home
    from fleet.core.reporting.period.deadline import CountedFrom
    from fleet.core.reporting.period.period_report import PeriodReport
    from fleet.core.reporting.period.span import ReportSpan

app = typer.Typer(
    cls=CommandWithSubcommands, invoke_without_command=True, subcommand_metavar="| COMMAND [ARGS]..."
)


@app.callback()
def report(
    context: typer.Context,
    rollout: Annotated[
        str, typer.Argument(help="Id of a rollout, such as r-17. Default: the active one, else the newest.")
    ] = "",
    pool: Annotated[
        list[str] | None,
        typer.Option(help="All rollouts of a span in this pool. May be given more than once."),
    ] = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="All rollouts of a span in all pools.")] = False,
    quarter: Annotated[
        str, typer.Option(help="The span, such as 2026Q4. Default: the present quarter.", show_default=False)
    ] = "",
    begin: Annotated[
        str, typer.Option("--from", help="First day of the span (UTC), such as 2026-10-01, or -30d.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", help="Last day of the span. Default: today.", show_default=False)
    ] = "",
    within: Annotated[
        str,
        typer.Option(
            help="Of a span: how soon a release has to be on the nodes. A number of days, or pci-dss: 30 days "
            "for releases that fix critical vulnerabilities (requirement 6.3.3)."
        ),
    ] = "pci-dss",
    counted_from: Annotated[
        Literal["release", "advisory"],
        typer.Option(help="Whether these days count from the release, or from its first advisory."),
    ] = "release",
    output: Annotated[
        ReportForm,
        typer.Option(
            "--output", "-o", help="html is one file; pdf needs Chromium; oscal is of a span alone."
        ),
    ] = "text",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Write there instead of to stdout.")
    ] = None,
) -> None:
    """Report who did what when, from which release to which, with the proof for each node.

    With --fleet or --pool: of all rollouts of a quarter or of some days, with compliance (how soon releases were on the
    nodes) and what fleet did not see. As json and html a report is signed: fleet report verify FILE --key PUBLIC-KEY
    """
    if context.invoked_subcommand is not None:
        return
    from fleet.core.records.errors import UsageError

    home = home_of(context)
    of_span = bool(pool or fleet or quarter or begin or until)
    if of_span and rollout:
        raise UsageError(
            f"a report is either of {rollout} or of a span of time",
            "leave out the rollout, or the options of a span",
        )
    if of_span:
        if fleet and pool:
            raise UsageError("--fleet is all pools, and --pool names some", "give one of the two")
        span = _span(quarter, begin, until, home.now())
        made = _period(home, span, pool or [], within, counted_from)
        found = period_content(home, made, output)
    else:
        if output == "oscal":
            raise UsageError(
                "OSCAL assessment results are of a span of time", "--fleet --quarter 2026Q4 -o oscal"
            )
        found = _rollout_content(home, rollout, output)
    if found.unsigned:
        from fleet.cli.terminal.output import warn

        warn(found.unsigned)
    _write(found.content, output, file)


def _span(quarter: str, begin: str, until: str, now: "datetime") -> "ReportSpan":
    from fleet.core.records.errors import UsageError
    from fleet.core.reporting.period import span
    from fleet.core.text.moments import day

    try:
        if quarter and (begin or until):
            raise ValueError("expected either --quarter, or --from and --to, found both")
        if until and not begin:
            raise ValueError("expected --from beside --to, found none")
        if quarter:
            return span.quarter(quarter)
        if not begin:
            return span.quarter_of(now)
        last = day(until, now) if until else now.date()
        return span.days(f"{day(begin, now)}", f"{last}")
    except ValueError as error:
        raise UsageError(str(error), "--quarter 2026Q4, or --from 2026-10-01 --to 2026-12-31") from None


def _period(
    home: "Home", span: "ReportSpan", pools: list[str], within: str, counted_from: "CountedFrom"
) -> "PeriodReport":
    from fleet.app.reporting.period import report_of_span
    from fleet.core.records.errors import UsageError
    from fleet.core.reporting.period.deadline import deadline

    try:
        rule = deadline(within, counted_from)
    except ValueError as error:
        raise UsageError(f"--within: {error}", "--within 30, or --within pci-dss") from None
    return report_of_span(home, span, list(dict.fromkeys(pools)), rule)


def _rollout_content(home: "Home", rollout: str, output: ReportForm) -> ReportContent:
    from fleet.app.reporting.pdf import printed
    from fleet.app.reporting.report import report as make
    from fleet.app.reporting.report import with_evidence
    from fleet.cli.report import markdown, table
    from fleet.cli.report.page import page
    from fleet.cli.report.text import text
    from fleet.core.text.visible import visible_lines

    made = make(home, rollout)
    match output:
        case "json":
            made = with_evidence(home, made)
            return ReportContent(json_of(made), why_unsigned(made))
        case "html":
            return signed_page(home, page(made), with_evidence(home, made))
        case "pdf":
            return ReportContent(printed(page(made)))
        case "csv":
            return ReportContent(table.csv_of([made]).encode())
        case "markdown":
            return ReportContent(markdown.rollout(made).encode())
        case _:
            return ReportContent(visible_lines(text(made)).encode())


def _write(content: bytes, output: ReportForm, file: Path | None) -> None:
    import sys

    from fleet.app.wiring.files import write_whole
    from fleet.cli.terminal.output import note, show
    from fleet.core.records.errors import UsageError

    if file is not None:
        write_whole(file, content)
        note(f"Wrote {file}")
    elif output == "pdf":
        if sys.stdout.isatty():
            raise UsageError("a PDF is not for a terminal", "--file REPORT.pdf")
        sys.stdout.buffer.write(content)
    elif output == "text":
        # Made for 80 columns: a narrower terminal has it folded between words.
        show(content.decode().rstrip("\n"))
    else:
        words = content.decode()
        typer.echo(words, nl=not words.endswith("\n"))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A report as json or html.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="Public key of the signature. May be given more than once.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="A journal from fleet audit export, to compute all figures of a span from."),
    ] = None,
) -> None:
    """Check that nothing in a report was changed since it was signed. Needs neither a home nor a database.

    Exits 4 with what is wrong. A report of one rollout is also made again from the journal entries in it; a report of a
    span is made again from an exported journal (--journal), and every figure that differs is named.
    """
    from fleet.app.audit.report_verification import verify_report
    from fleet.cli.commands.evidence.audit import refuse_without_key, show_findings
    from fleet.cli.terminal.output import show

    refuse_without_key(key or [])
    found = verify_report(file, key or [], journal)
    show_findings(found.findings)
    show(f"The {found.what} is as it was signed: nothing in it was changed.")
    if found.recomputed:
        show("Every figure follows from the entries of the journal.")
    if found.signed_at is not None:
        show(
            f"The journal behind it was signed at {found.signed_at:%Y-%m-%d %H:%M:%SZ}, up to entry {found.last:,}."
        )


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A report as json.")],
    after: Annotated[Path, typer.Argument(help="A report of the same kind.")],
    output: Format = "text",
) -> None:
    """Compare two reports: every figure, node by node. Exits 4 if anything differs."""
    from fleet.app.reporting.differences import differences_of
    from fleet.cli.terminal.output import show

    found = differences_of(before, after)
    if output == "json":
        typer.echo(json_of(found).decode())
    elif not found:
        show("The two reports say the same.")
    else:
        for each in found:
            show(f"{each.path}: {each.words}")
    if found:
        raise typer.Exit(4)
