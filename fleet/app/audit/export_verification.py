"""Verifies an exported journal, or a report as JSON, with nothing but the file and the public key.

A report is made again from its entries and compared, so that neither the entries nor the text can be changed
unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from fleet.core.records.audit import JournalExport, Signature, SignedCheckpoint
from fleet.core.records.errors import UsageError
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.report import OUTSIDE_JOURNAL, Report, ReportRun
from fleet.core.reporting.reporter import make_report
from fleet.store.journal import chain, proof
from fleet.store.journal.signing import PublicKey
from fleet.store.journal.tampering import BEGINNING, ChainEnd, JournalFinding, Origin

NOT_READ = (msgspec.ValidationError, OverflowError, RecursionError, UnicodeError)
"""Errors that msgspec raises for values that any user may have written. UnicodeError: a lone surrogate, which JSON can
contain."""
WRITES = "fleet audit export and fleet report -o json --file FILE write one"
PARTS = JournalExport.__struct_fields__
ExportPart = TypeVar("ExportPart", JournalEntry, SignedCheckpoint)


class ExportVerdict(Struct, frozen=True):
    what: str
    """The kind of the verified document: `journal`, or `report of r-1`."""
    first: int
    last: int
    """The highest seq of the entries that were checked."""
    checkpoints: int
    """How many checkpoints are genuine and agree with the entries."""
    signed_at: datetime | None
    """When the last of these checkpoints was signed. The file proves nothing about later entries."""
    findings: tuple[JournalFinding, ...]
    recomputed: bool = False
    """True if every figure was computed again from the entries of a journal."""


def verify_file(path: Path, keys: Sequence[Path]) -> ExportVerdict:
    """Verifies an exported journal or a report with nothing but the file and the public keys. Raises UsageError for a
    file that is neither."""
    return verify_content(json_object(path), path, [PublicKey.read(key) for key in keys])


def verify_content(content: Mapping[str, Any], path: Path, public: Sequence[PublicKey]) -> ExportVerdict:
    """Verifies what is in a file, as `verify_file` does."""
    report = "rollout" in content
    if not report and content.get("kind") != "fleet journal":
        of_span = content.get("kind") == "fleet period report"
        raise UsageError(
            f"{path} is neither an exported journal nor a report of one rollout",
            f"fleet report verify {path} --key PUBLIC-KEY" if of_span else "fleet audit export writes one",
        )
    findings: list[JournalFinding] = []
    parts = ("entries", "others") if report else ("entries",)
    entries = [entry for part in parts for entry in _read_part(content, part, JournalEntry, findings)]
    signed = list(_read_part(content, "checkpoints", SignedCheckpoint, findings))
    if report:
        entries.sort(key=lambda entry: entry.seq)
    findings += _chained(entries, signed, public, whole=not report)
    if report:
        findings += _report_findings(content, entries)
        findings += signature_findings(content, public, f"nothing proves {', '.join(OUTSIDE_JOURNAL)}")
    else:
        message = "it has the key {}, which no exported journal has"
        findings += [JournalFinding(0, "unlike", message.format(key)) for key in content if key not in PARTS]
    genuine = [checkpoint for checkpoint in signed if proof.genuine(checkpoint, public)]
    return ExportVerdict(
        f"report of {content['rollout']}" if report else "journal",
        min((entry.seq for entry in entries), default=0),
        max((entry.seq for entry in entries), default=0),
        len(genuine),
        max((checkpoint.at for checkpoint in genuine), default=None),
        tuple(sorted(findings, key=lambda finding: finding.seq)),
    )


def json_object(path: Path, given: bytes | None = None) -> dict[str, Any]:
    """Returns the JSON object in the file, or in `given`, which comes from it. Raises UsageError for a file that cannot
    be read, for other content, and for a key that occurs twice: its readers would not agree on its value."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("an object has a key twice")
        return found

    try:
        content = json.loads(path.read_bytes() if given is None else given, object_pairs_hook=once)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", WRITES) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", WRITES) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is neither an exported journal nor a report", WRITES)
    return content


def _read_part(
    content: Mapping[str, Any], part: str, kind: type[ExportPart], findings: list[JournalFinding]
) -> Iterator[ExportPart]:
    """Yields the parts that can be read. A part that is not written exactly as fleet writes it is a finding: the hash
    or signature would not cover what the file contains."""
    found = content.get(part, [])
    if not isinstance(found, list):
        findings.append(JournalFinding(0, "changed", f"{part} is not a list"))
        return
    for number, raw in enumerate(found, start=1):
        try:
            part_read = msgspec.convert(raw, kind)
            same = msgspec.to_builtins(part_read) == raw
        except NOT_READ as error:
            findings.append(JournalFinding(0, "changed", f"{part}, number {number} cannot be read: {error}"))
            continue
        if not same:
            message = (
                f"{part}, number {number} (entry {part_read.seq}) was changed: fleet writes it differently"
            )
            findings.append(JournalFinding(part_read.seq, "changed", message))
        yield part_read


def _chained(
    entries: Sequence[JournalEntry],
    signed: Sequence[SignedCheckpoint],
    keys: Sequence[PublicKey],
    *,
    whole: bool,
) -> Iterator[JournalFinding]:
    """Yields what is wrong with the chain of entries. A whole journal begins at its first entry; a report's part of
    the journal begins where the rollout does."""
    origin = BEGINNING
    if not whole and entries:
        origin = Origin(entries[0].seq - 1, entries[0].prev_hash)
    genuine = [checkpoint for checkpoint in signed if proof.genuine(checkpoint, keys)]
    marks = proof.Marks(genuine)
    end = next(
        (checkpoint for checkpoint in genuine if entries and checkpoint.hash == entries[-1].hash), None
    )
    known = ChainEnd(end.seq, end.hash, end.count) if end is not None else None
    yield from chain.verify(marks.follow(entries), known, origin)
    yield from proof.forged(signed, keys)
    yield from proof.broken(genuine, marks)
    proven = proof.reach(genuine, marks)
    if proven < marks.last:
        yield proof.unsigned(max(proven + 1, marks.first), marks.last)
    if not entries:
        yield JournalFinding(0, "removed", "it has no entries")


def signature_findings(
    content: Mapping[str, Any], keys: Sequence[PublicKey], otherwise: str
) -> Iterator[JournalFinding]:
    """Yields what is wrong with the report's own signature, which alone proves what is not in the journal. `otherwise`:
    what follows if there is none."""
    try:
        signature = msgspec.convert(content.get("signature"), Signature | None)
    except NOT_READ as error:
        yield JournalFinding(0, "forged", f"its signature cannot be read: {error}")
        return
    if signature is None:
        yield JournalFinding(0, "unsigned", f"the report is not signed, so {otherwise}")
    elif all(key.id != signature.key for key in keys):
        yield JournalFinding(0, "forged", f"the report is signed with another key: {signature.key}")
    elif not any(key.signed_report(content, signature.signature) for key in keys):
        yield JournalFinding(
            0, "forged", "the report was changed after it was signed: its signature does not hold"
        )


def _report_findings(content: Mapping[str, Any], entries: Sequence[JournalEntry]) -> Iterator[JournalFinding]:
    """Yields how a report differs from its entries. `entries` are all entries of the file, in the journal's order: the
    report does not determine which of them belong to the rollout."""
    try:
        report = msgspec.convert(content, Report)
    except NOT_READ as error:
        yield JournalFinding(0, "unlike", f"it is not a report of this fleet: {error}")
        return
    yield from (
        JournalFinding(0, "unlike", f"it has the key {name}, which no report of this fleet has")
        for name in _unknown_keys(content, msgspec.to_builtins(report))
    )
    try:
        made = make_report(report.rollout, entries, report.at, report.journal.verdict)
    except (LookupError, ValueError, TypeError) as error:
        yield JournalFinding(0, "unlike", f"its entries do not describe rollout {report.rollout}: {error}")
        return
    ours, theirs = asdict(_bare(made)), asdict(_bare(report))
    for name, value in theirs.items():
        if name != "runs" and value != ours[name]:
            yield JournalFinding(0, "unlike", f"its {name} differs from its entries")
    yield from _runs(_bare(made).runs, _bare(report).runs)


def _runs(ours: Sequence[ReportRun], theirs: Sequence[ReportRun]) -> Iterator[JournalFinding]:
    known = {(run.cluster, run.node): run for run in ours}
    if len(theirs) != len(ours):
        yield JournalFinding(0, "unlike", f"it has {len(theirs)} nodes, its entries have {len(ours)}")
    for run in theirs:
        if known.get((run.cluster, run.node)) != run:
            name = f"{run.cluster}/{run.node}"
            yield JournalFinding(0, "unlike", f"its node {name} differs from its entries")


def _bare(report: Report) -> Report:
    """Returns the report without the parts that are not in the journal (OUTSIDE_JOURNAL), and without checkpoints and
    signature."""
    return replace(
        report,
        against=None,
        held=(),
        counts=replace(report.counts, held=0),
        runs=tuple(replace(run, planned=None, held=()) for run in report.runs),
        requests=(),
        others=(),
        checkpoints=(),
        signature=None,
    )


def _unknown_keys(found: Any, known: Any, place: str = "") -> Iterator[str]:
    """Yields the keys in the file that fleet does not know."""
    if isinstance(found, dict) and isinstance(known, dict):
        for key, value in found.items():
            if key in known:
                yield from _unknown_keys(value, known[key], f"{place}{key}.")
            else:
                yield f"{place}{key}"
    elif isinstance(found, list) and isinstance(known, list | tuple):
        for value, one in zip(found, known, strict=False):
            yield from _unknown_keys(value, one, place)
