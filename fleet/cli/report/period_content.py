"""The report of a span in every form in which it is written: the bytes of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from fleet.app.wiring.home import Home
    from fleet.core.reporting.period.period_report import PeriodReport
    from fleet.core.reporting.report import Report

ReportForm = Literal["text", "json", "html", "pdf", "csv", "markdown", "oscal"]


class ReportContent(NamedTuple):
    content: bytes
    unsigned: str = ""
    """Why the report is not signed, with a remedy. Empty: it is, or this form has no signature."""


def period_content(home: Home, made: PeriodReport, form: ReportForm) -> ReportContent:
    """Returns the report in this form; json and html are signed where the home has a key. Raises FleetError, such as where
    a PDF cannot be printed."""
    from fleet.app.reporting.period import with_signature
    from fleet.cli.report import markdown, period_page, period_text, table
    from fleet.core.text.visible import visible_lines

    match form:
        case "json":
            signed = with_signature(home, made)
            return ReportContent(json_of(signed), why_unsigned(signed))
        case "html":
            return signed_page(home, period_page.page(made), with_signature(home, made))
        case "pdf":
            from fleet.app.reporting.pdf import printed

            return ReportContent(printed(period_page.page(made)))
        case "csv":
            return ReportContent(table.csv_of(made.rollouts).encode())
        case "markdown":
            return ReportContent(markdown.period(made).encode())
        case "oscal":
            from fleet.core.reporting.period.oscal import assessment_results

            return ReportContent(json_of(assessment_results(made)))
        case "text":
            return ReportContent(visible_lines(period_text.text(made)).encode())


def json_of(made: object) -> bytes:
    """Returns the struct as indented JSON."""
    import msgspec

    from fleet.core.text.visible import visible_json

    return visible_json(msgspec.json.format(msgspec.json.encode(made), indent=2).decode()).encode()


def signed_page(home: Home, page: str, report: Report | PeriodReport) -> ReportContent:
    """Returns the page with the same report as JSON in it, and signed, where the home has a key."""
    import msgspec

    from fleet.app.audit import page_signature
    from fleet.app.audit.keys import signing_key

    key = signing_key(home) if report.signature is not None else None
    if key is None:
        return ReportContent(page.encode(), why_unsigned(report))
    signed = page_signature.signed(page, key, msgspec.json.encode(report))
    return ReportContent(signed.encode(), why_unsigned(report))


def why_unsigned(report: Report | PeriodReport) -> str:
    """Returns why the report is not signed, with a remedy; empty where it is."""
    if report.signature is not None:
        return ""
    if report.journal.verdict.verified:
        return "this report is not signed: you have no signing key here\n  -> fleet audit keygen"
    return "this report is not signed: the journal is not intact\n  -> fleet audit verify"
