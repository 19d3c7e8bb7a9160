"""Verifies a report, as JSON or as an HTML page, with nothing but the file and the public key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fleet.app.audit import page_signature
from fleet.app.audit.export_verification import (
    NOT_READ,
    ExportVerdict,
    json_object,
    signature_findings,
    verify_file,
)
from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import UsageError
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.store.journal import proof
from fleet.store.journal.signing import PublicKey
from fleet.store.journal.tampering import JournalFinding

PAGE = b"<!doctype html>"


def verify_report(path: Path, keys: Sequence[Path]) -> ExportVerdict:
    """Verifies a report. Raises UsageError for a file that is no report, or in a form that carries no signature."""
    public = [PublicKey.read(key) for key in keys]
    try:
        with path.open("rb") as file:
            begin = file.read(4096).lstrip()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "fleet report -o html --file FILE writes a report"
        ) from error
    if begin.startswith(PAGE):
        found = tuple(page_signature.findings(path.read_bytes(), public))
        return ExportVerdict("page", 0, 0, 0, None, found)
    if not begin.startswith(b"{"):
        raise UsageError(
            f"{path} is no report as json or html, and no other form carries a signature",
            "verify the json or html of the same report",
        )
    content = json_object(path)
    if content.get("kind") == "fleet period report":
        return _period(content, public)
    if "rollout" not in content:
        raise UsageError(f"{path} is no report", "fleet audit verify --file verifies an exported journal")
    return verify_file(path, keys)


def _period(content: Mapping[str, Any], keys: Sequence[PublicKey]) -> ExportVerdict:
    findings = period_findings(content, keys)
    if findings:
        return ExportVerdict("report of a span", 0, 0, 0, None, findings)
    report = msgspec.convert(content, PeriodReport)
    signed_at = report.checkpoint.at if report.checkpoint is not None else None
    return ExportVerdict(f"report of {report.span.name}", 1, report.journal.last_seq, 1, signed_at, findings)


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
