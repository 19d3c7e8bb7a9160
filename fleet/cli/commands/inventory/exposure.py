"""The command exposure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleet.cli.commands.moments import moment_of
from fleet.cli.context import home_of, without_collection

if TYPE_CHECKING:
    from fleet.core.exposure.exposure_report import AlikeReport
    from fleet.core.exposure.question import ExposureQuestion

Names = list[str] | None
ExposureFormat = Literal["table", "wide", "json", "csv", "vex"]
EXPOSED, UNKNOWN = 4, 5


def exposure(
    context: typer.Context,
    condition: Annotated[
        str,
        typer.Argument(
            help="A condition on kernel, os or kubelet, such as 'kernel<6.12.9' or 'kernel>=6.1,<6.1.79'.",
            show_default=False,
        ),
    ] = "",
    version: Annotated[
        Names,
        typer.Option(metavar="VERSION", help="A version of the operating system, or bounds: '<4152.2.0'."),
    ] = None,
    package: Annotated[
        Names,
        typer.Option(
            metavar="NAME",
            help="A package, or bounds: 'openssl<3.2.4'. In the booted release (by its SBOM) or layered on it.",
        ),
    ] = None,
    advisory: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A CVE record (JSON 5), an OSV record or a CSAF 2 document; repeatable.",
        ),
    ] = None,
    vex: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="OpenVEX: what is declared about images and live patches; repeatable.",
        ),
    ] = None,
    cluster: Annotated[Names, typer.Option(metavar="NAME", help="Only this cluster.")] = None,
    site: Annotated[Names, typer.Option(metavar="NAME", help="Only this site.")] = None,
    pool: Annotated[Names, typer.Option(metavar="NAME", help="Only this pool.")] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="WHEN", help="As it was at this moment: 2026-09-01, -7d.")
    ] = None,
    output: Annotated[
        ExposureFormat,
        typer.Option("--output", "-o", help="wide and csv have a row for each node; vex is OpenVEX 0.2.0."),
    ] = "table",
) -> None:
    """Show which nodes a vulnerability is on, where, since when, and what fixes them.

    Reads the database alone. Exits 0 if no node is affected, 4 if one is, and 5 if none is known to be and some cannot
    be judged: fleet does not guess.
    """
    from fleet.app.reporting.exposure import exposure as find
    from fleet.app.reporting.exposure import vex_statements
    from fleet.cli.terminal.output import note
    from fleet.cli.views.past import heading
    from fleet.core.reporting.selection import Selection

    questions = _questions(condition, version or (), package or (), advisory or ())
    if output == "vex":
        _refuse_nameless(questions)
    selection = Selection(tuple(cluster or ()), tuple(site or ()), tuple(pool or ()))
    home = home_of(context)
    moment = moment_of(home, at, "--at") if at is not None else None
    with without_collection():
        found = find(home, questions, selection, moment, vex_statements(vex or ()))
        if moment is not None and output in ("table", "wide"):
            note(heading(found.at))
        _print(found, output, past=moment is not None)
    if any(answer.head.counts["affected"] for answer in found.answers):
        raise typer.Exit(EXPOSED)
    if any(answer.head.counts["unknown"] for answer in found.answers):
        raise typer.Exit(UNKNOWN)


def _questions(
    text: str, versions: list[str] | tuple[()], packages: list[str] | tuple[()], files: list[Path] | tuple[()]
) -> "list[ExposureQuestion]":
    from fleet.app.reporting.exposure import advisories
    from fleet.core.exposure.question import FORM, condition, package_question, version_condition
    from fleet.core.records.errors import UsageError

    questions: list[ExposureQuestion] = [condition(text)] if text else []
    questions += [version_condition(version) for version in versions]
    questions += [package_question(package) for package in packages]
    questions += advisories(files)
    if not questions:
        raise UsageError("nothing is asked", f"give a condition, {FORM}, or --advisory FILE")
    return questions


def _refuse_nameless(questions: "Sequence[ExposureQuestion]") -> None:
    """Raises UsageError for a question that names no vulnerability, which each statement of OpenVEX is about."""
    from fleet.core.exposure.question import AdvisoryQuestion
    from fleet.core.records.errors import UsageError

    for question in questions:
        if not isinstance(question, AdvisoryQuestion):
            raise UsageError(
                f"{question.text} names no vulnerability, and OpenVEX is about one",
                "--advisory FILE, such as the record of the CVE, names it; -o json has the answer to a condition",
            )


def _print(found: "AlikeReport", output: ExposureFormat, past: bool) -> None:
    from fleet.cli.terminal.output import show, show_csv, show_json
    from fleet.cli.views import exposure as view

    if output == "json":
        show_json(found.whole())
    elif output == "vex":
        from fleet.core.exposure.vex import openvex

        show_json(openvex(found.whole()))
    elif output == "csv":
        show_csv(*view.cells(found.whole(), past))
    else:
        show(view.wide(found.whole(), past) if output == "wide" else view.answers(found, past))
