"""Verifies a report, as JSON or as an HTML page, with nothing but the file and the public key; with an exported journal
every figure is computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from fleet.app.audit import page_signature
from fleet.app.audit.export_verification import (
    NOT_READ,
    ExportVerdict,
    json_object,
    signature_findings,
    verify_content,
)
from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import UsageError
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.period.assembly import recomputed
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.store.journal import proof
from fleet.store.journal.signing import PublicKey
from fleet.store.journal.tampering import JournalFinding

PAGE = b"<!doctype html>"
LONGEST = 120
"""Characters of a value in a message."""


def verify_report(path: Path, keys: Sequence[Path], journal: Path | None = None) -> ExportVerdict:
    """Verifies a report. `journal`: an exported journal, from which the figures of a report of a span are computed
    again. Raises UsageError for a file that is no report, or in a form that carries no signature."""
    public = [PublicKey.read(key) for key in keys]
    begin = _begin(path)
    if begin.startswith(PAGE):
        return _page(path, public, journal)
    if not begin.startswith(b"{"):
        raise UsageError(
            f"{path} is no report as json or html, and no other form carries a signature",
            "verify the json or html of the same report",
        )
    return _json(json_object(path), path, public, journal)


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096).lstrip()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "fleet report -o html --file FILE writes a report"
        ) from error


def _page(path: Path, keys: Sequence[PublicKey], journal: Path | None) -> ExportVerdict:
    """Verifies the page, and then the report as JSON in it."""
    content = path.read_bytes()
    found = tuple(page_signature.findings(content, keys))
    if found:
        return ExportVerdict("page", 0, 0, 0, None, found)
    try:
        report = page_signature.report_in(content)
    except ValueError as error:
        return ExportVerdict("page", 0, 0, 0, None, (JournalFinding(0, "unlike", str(error)),))
    if report is not None:
        verdict = _json(json_object(path, report), path, keys, journal)
        return replace(verdict, what=f"page, {verdict.what}")
    if journal is not None:
        raise UsageError(
            f"{path} has no report as JSON in it, because an older version of fleet made it",
            "verify the json of the same report",
        )
    return ExportVerdict("page", 0, 0, 0, None, ())


def _json(
    content: Mapping[str, Any], path: Path, keys: Sequence[PublicKey], journal: Path | None
) -> ExportVerdict:
    if content.get("kind") == "fleet period report":
        return _period(content, keys, _exported(journal, keys) if journal is not None else None)
    if "rollout" not in content:
        raise UsageError(f"{path} is no report", "fleet audit verify --file verifies an exported journal")
    if journal is not None:
        raise UsageError(
            f"{path} is about one rollout, and has its journal entries in it", "leave out --journal"
        )
    return verify_content(content, path, keys)


class ExportedJournal(NamedTuple):
    """The entries of an exported journal, and what is wrong with it."""

    entries: list[JournalEntry]
    findings: tuple[JournalFinding, ...]


def _exported(path: Path, keys: Sequence[PublicKey]) -> ExportedJournal:
    """Reads an exported journal. Raises UsageError for another file."""
    content = json_object(path)
    if content.get("kind") != "fleet journal":
        raise UsageError(f"{path} is no exported journal", "fleet audit export writes one")
    verdict = verify_content(content, path, keys)
    if verdict.findings:
        return ExportedJournal([], verdict.findings)
    return ExportedJournal(msgspec.convert(content["entries"], list[JournalEntry]), ())


def _period(
    content: Mapping[str, Any], keys: Sequence[PublicKey], journal: ExportedJournal | None
) -> ExportVerdict:
    findings = period_findings(content, keys)
    if journal is not None:
        findings = (*findings, *(_in_journal(each) for each in journal.findings))
        findings += tuple(figure_findings(content, journal.entries)) if not journal.findings else ()
    if findings:
        return ExportVerdict("report of a span", 0, 0, 0, None, findings)
    report = msgspec.convert(content, PeriodReport)
    signed_at = report.checkpoint.at if report.checkpoint is not None else None
    name = f"report of {report.span.name}"
    return ExportVerdict(name, 1, report.journal.last_seq, 1, signed_at, findings, journal is not None)


def _in_journal(found: JournalFinding) -> JournalFinding:
    return replace(found, message=f"the journal: {found.message}")


def figure_findings(content: Mapping[str, Any], entries: Sequence[JournalEntry]) -> Iterator[JournalFinding]:
    """Yields every figure of a report of a span that differs from what the entries of the journal, and the evidence in
    the report, give."""
    try:
        report = msgspec.convert(content, PeriodReport)
        found = list(recomputed(report, entries))
    except NOT_READ as error:
        yield JournalFinding(0, "unlike", f"it is no report of this fleet: {error}")
        return
    except ValueError as error:
        yield JournalFinding(0, "unlike", f"its figures cannot be computed again: {error}")
        return
    for each in found:
        message = f"{each.path}: the journal gives {_shown(each.before)}, the report has {_shown(each.after)}"
        yield JournalFinding(0, "unlike", message)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def period_findings(content: Mapping[str, Any], keys: Sequence[PublicKey]) -> tuple[JournalFinding, ...]:
    """Returns what is wrong with a report of a span, as decoded from JSON. None: not one value was changed since it was
    signed, and a checkpoint vouches for the journal that it was made from."""
    findings = list(signature_findings(content, keys, "nothing proves what it says"))
    try:
        report = msgspec.convert(content, PeriodReport)
    except NOT_READ as error:
        return (*findings, JournalFinding(0, "unlike", f"it is no report of this fleet: {error}"))
    return (*findings, *_journal(report, keys))


def _journal(report: PeriodReport, keys: Sequence[PublicKey]) -> Iterator[JournalFinding]:
    """Yields what is wrong with the checkpoint that vouches for the journal behind the report."""
    signed: SignedCheckpoint | None = report.checkpoint
    if signed is None or signed.seq < report.journal.last_seq:
        if report.journal.last_seq:
            yield proof.unsigned(1, report.journal.last_seq)
        return
    yield from proof.forged([signed], keys)
    if signed.seq == report.journal.last_seq and signed.hash != report.journal.last_hash:
        yield JournalFinding(
            signed.seq,
            "rewritten",
            f"entry {signed.seq} is not the one that was signed: its hash is another one",
        )
    if not report.journal.verdict.verified:
        yield JournalFinding(
            0, "unlike", f"it was made from a journal that was not intact: {report.journal.verdict.why}"
        )
