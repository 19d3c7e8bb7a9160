"""Reports as CSV: a line for each run of a node."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from fleet.cli.terminal.output import csv_cell
from fleet.core.reporting.report import Report, ReportRun

HEAD = (
    "rollout",
    "plan",
    "by",
    "cluster",
    "node",
    "pool",
    "site",
    "zone",
    "canary",
    "ending",
    "step",
    "from_version",
    "to_version",
    "digest",
    "from_kernel",
    "to_kernel",
    "boot_id_before",
    "boot_id_after",
    "begun",
    "ended",
    "seconds",
    "evictions",
    "refusals",
    "retries",
    "quorums",
    "ready",
    "units",
    "daemons",
    "rolled_back",
    "why",
)


def csv_of(reports: Iterable[Report]) -> str:
    """Returns the table, quoted as in RFC 4180, with a header. Times are UTC, as ISO 8601; what is not known is
    empty."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(HEAD)
    for report in reports:
        for run in report.runs:
            writer.writerow([csv_cell(value) for value in _row(report, run)])
    return target.getvalue()


def _row(report: Report, run: ReportRun) -> Iterator[object]:
    proof = run.proof
    yield from (report.rollout, report.plan, report.by)
    yield from (run.cluster, run.node, run.pool, run.site, run.zone, "yes" if run.canary else "no")
    yield from (run.ending, run.step, run.from_version, run.to_version)
    yield proof.digest if proof is not None else ""
    yield from (run.from_kernel, run.to_kernel)
    yield from (proof.boot_id_before, proof.boot_id_after) if proof is not None else ("", "")
    for moment in (run.begun, run.ended):
        yield f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment is not None else ""
    yield f"{run.seconds:.3f}" if run.seconds is not None else ""
    yield sum(each.result == "done" for each in run.evictions)
    yield sum(each.refusals for each in run.evictions)
    yield len(run.retries)
    yield "; ".join(f"{each.kind} {each.group} {each.result or 'no answer'}" for each in run.quorums)
    yield from (proof.ready, proof.units, proof.daemons) if proof is not None else ("", "", "")
    yield from (run.rolled_back, run.why)
