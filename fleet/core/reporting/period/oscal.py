"""A report of a span as OSCAL assessment results, for the tools of assessors.

Source of the form: NIST, OSCAL 1.2.3, model `assessment-results` (https://pages.nist.gov/OSCAL/). Each release that was
due is a finding, each node a subject, each run and each exception an observation. Identifiers are made of the content
(UUID version 5), so that the same report gives the same file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from fleet.core.reporting.period.compliance import ComplianceException, ReleaseCompliance
from fleet.core.reporting.period.deadline import PCI_DSS, Deadline
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.reporting.report import Report, ReportRun
from fleet.core.text.visible import visible

OSCAL = "1.2.3"
SPACE = UUID("5f0f64a8-6a0d-5f3c-9d6f-1d6b8f9a7c21")
"""The namespace of all identifiers."""
NAMES = "https://fleet.internal/ns/oscal"
"""The namespace of fleet's own properties."""


def assessment_results(report: PeriodReport) -> dict[str, Any]:
    """Returns the document, ready for JSON."""
    place = f"{report.journal.last_hash}/{report.span.name}/{','.join(report.pools)}/{report.at.isoformat()}"
    plan = _uuid(place, "plan")
    return {
        "assessment-results": {
            "uuid": _uuid(place, "document"),
            "metadata": {
                "title": f"Patching of {_scope(report)}, {report.span.name}",
                "last-modified": _time(report.at),
                "version": _time(report.at),
                "oscal-version": OSCAL,
            },
            "import-ap": {"href": f"#{plan}"},
            "results": [_result(report, place)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": "Assessment plan",
                        "description": "There is no separate plan: fleet compares what its journal has recorded with "
                        "the dates of the releases.",
                    }
                ]
            },
        }
    }


def _result(report: PeriodReport, place: str) -> dict[str, Any]:
    compliance, deadline = report.compliance, report.compliance.deadline
    observations = [*_run_observations(report, place), *_exception_observations(report, place)]
    findings = [
        _finding(release, deadline, place, compliance.exceptions)
        for release in compliance.releases
        if release.covered and release.counts.due
    ]
    nodes = sorted(
        {(run.cluster, run.node) for rollout in report.rollouts for run in rollout.runs}
        | {(exception.cluster, exception.node) for exception in compliance.exceptions}
    )
    result: dict[str, Any] = {
        "uuid": _uuid(place, "result"),
        "title": f"Patching in {report.span.name}",
        "description": f"How soon releases were on the nodes of {_scope(report)}. "
        f"{deadline.source or f'Rule: within {deadline.days} days.'}",
        "start": _time(report.span.begin),
        "end": _time(min(report.span.end, report.at)),
        "props": [
            _prop("journal-last-seq", report.journal.last_seq),
            _prop("journal-last-hash", report.journal.last_hash or "none"),
            _prop("due", compliance.counts.due),
            _prop("in-time", compliance.counts.in_time),
            _prop("late", compliance.counts.late),
            _prop("overdue", compliance.counts.overdue),
            _prop("open", compliance.counts.open),
            _prop("exposure-node-days", compliance.exposure_node_days),
        ],
        "reviewed-controls": {
            "control-selections": [{"include-controls": [{"control-id": _control(deadline)}]}]
        },
    }
    if nodes:
        result["local-definitions"] = {
            "inventory-items": [
                {
                    "uuid": _node(*ref),
                    "description": f"Node {ref[1]} of cluster {ref[0]}",
                    "props": [_prop("cluster", ref[0]), _prop("node", ref[1])],
                }
                for ref in nodes
            ]
        }
    if observations:
        result["observations"] = observations
    if findings:
        result["findings"] = findings
    if remarks := "; ".join(_unknown(report)):
        result["remarks"] = remarks
    return result


def _run_observations(report: PeriodReport, place: str) -> Iterator[dict[str, Any]]:
    for rollout in report.rollouts:
        for run in rollout.runs:
            yield _run(rollout, run, place, report.at)


def _run(rollout: Report, run: ReportRun, place: str, at: datetime) -> dict[str, Any]:
    facts: list[tuple[str, object]] = [
        ("rollout", rollout.rollout),
        ("ending", run.ending),
        ("from-version", run.from_version),
        ("to-version", run.to_version),
        ("why", run.why),
    ]
    if run.proof is not None:
        proof = run.proof
        facts += [
            ("digest", proof.digest),
            ("kernel", proof.kernel),
            ("boot-id-before", proof.boot_id_before),
            ("boot-id-after", proof.boot_id_after),
        ]
    return {
        "uuid": _uuid(place, "run", rollout.rollout, run.cluster, run.node),
        "title": f"Run of {visible(run.cluster)}/{visible(run.node)} in {rollout.rollout}",
        "description": f"Upgrade of one node, as the journal has recorded it: {run.ending}.",
        "props": [_prop(name, value) for name, value in facts if value],
        "methods": ["TEST"],
        "subjects": [{"subject-uuid": _node(run.cluster, run.node), "type": "inventory-item"}],
        "collected": _time(run.ended or at),
    }


def _exception_observations(report: PeriodReport, place: str) -> Iterator[dict[str, Any]]:
    for exception in report.compliance.exceptions:
        granted = [f"granted exception {ident}" for ident in exception.granted]
        causes = "; ".join([*granted, *(cause.detail for cause in exception.causes)]) or "nothing on record"
        node = f"{visible(exception.cluster)}/{visible(exception.node)}"
        yield {
            "uuid": _exception(exception, place),
            "title": f"{node} did not run {visible(exception.version)} in time",
            "description": visible(f"{exception.state}, {exception.days_over} days over: {causes}"),
            "props": [_prop("state", exception.state), _prop("due", _time(exception.due))],
            "methods": ["TEST"],
            "subjects": [
                {"subject-uuid": _node(exception.cluster, exception.node), "type": "inventory-item"}
            ],
            "collected": _time(report.at),
        }


def _finding(
    release: ReleaseCompliance, deadline: Deadline, place: str, exceptions: Iterable[ComplianceException]
) -> dict[str, Any]:
    counts = release.counts
    # An exception is a decision, and makes no node compliant.
    met = not counts.late and not counts.overdue and not counts.excepted
    excepted = f", {counts.excepted} excepted" if counts.excepted else ""
    finding: dict[str, Any] = {
        "uuid": _uuid(place, "finding", release.stream, release.version),
        "title": f"Release {visible(release.version)} of stream {visible(release.stream)}",
        "description": f"{counts.in_time} of {counts.due} nodes in time, {counts.late} late, {counts.overdue} overdue"
        f"{excepted}.",
        "target": {
            "type": "objective-id",
            "target-id": _control(deadline),
            "status": {"state": "satisfied" if met else "not-satisfied"},
        },
    }
    related = [_exception(other, place) for other in exceptions if other.version == release.version]
    if related:
        finding["related-observations"] = [{"observation-uuid": name} for name in related]
    return finding


def _unknown(report: PeriodReport) -> Iterator[str]:
    for release in report.compliance.releases:
        if release.counted_from is None:
            yield f"release {visible(release.version)}: its stream does not name its date, so nothing is known of it"
    unseen = report.unseen
    if unseen.clusters or unseen.boots or unseen.nodes:
        yield (
            f"not seen: {len(unseen.clusters)} clusters, {len(unseen.nodes)} nodes, "
            f"{len(unseen.boots)} boots without a rollout"
        )


def _scope(report: PeriodReport) -> str:
    return f"pools {', '.join(report.pools)}" if report.pools else "the whole fleet"


def _control(deadline: Deadline) -> str:
    return "pci-dss-6.3.3" if deadline.name == PCI_DSS.name else f"patched-within-{deadline.days}-days"


def _exception(exception: ComplianceException, place: str) -> str:
    return _uuid(place, "exception", exception.cluster, exception.node, exception.version)


def _node(cluster: str, node: str) -> str:
    return _uuid("node", cluster, node)


def _uuid(*parts: str) -> str:
    return str(uuid5(SPACE, "\n".join(parts)))


def _prop(name: str, value: object) -> dict[str, str]:
    return {"name": name, "ns": NAMES, "value": visible(str(value)).strip()}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
