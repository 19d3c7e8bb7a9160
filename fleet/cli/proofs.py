"""What was done, and the proof of it: report, audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleet.cli.call import home_of

if TYPE_CHECKING:
    from fleet.core.report import Report

audit = typer.Typer(no_args_is_help=True, help="The journal's hash chain.")


def report(
    context: typer.Context,
    rollout: Annotated[
        str, typer.Argument(help="Such as r-17; empty: the active one, else the newest.")
    ] = "",
    output: Annotated[
        Literal["text", "json", "html"], typer.Option("--output", "-o", help="html is one file.")
    ] = "text",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Write there instead of to stdout.")
    ] = None,
) -> None:
    """Who, when, what, from what to what, with the proof of each node."""
    from fleet.app.report import report as make

    words = _rendered(make(home_of(context), rollout), output)
    if file is None:
        typer.echo(words, nl=not words.endswith("\n"))
        return
    file.write_text(words, encoding="utf-8")
    from fleet.cli.output import note

    note(f"Wrote {file}")


def _rendered(made: Report, output: str) -> str:
    if output == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(made), indent=2).decode()
    if output == "html":
        from fleet.cli.report.page import page

        return page(made)
    from fleet.cli.report.text import text

    return text(made)


@audit.command()
def verify(context: typer.Context) -> None:
    """Check every entry of the journal against its hash and the one before. Exits 4 with what is wrong."""
    from fleet.cli.output import show

    store = home_of(context).store
    findings = store.journal.verify()
    last = store.journal.last()
    count = last.seq if last is not None else 0
    if not findings:
        end = f", the last is {last.hash[:16]}" if last is not None else ""
        show(f"The journal is whole: {count:,} entries, every hash follows from the one before{end}.")
        return
    for finding in findings:
        show(f"entry {finding.seq}: {finding.words}")
    raise typer.Exit(4)
