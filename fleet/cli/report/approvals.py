"""Shows the users who asked for a rollout and approved it, for all forms of a report."""

from __future__ import annotations

from fleet.cli.report.answer import clock
from fleet.core.reporting.report import Report


def asked_by(report: Report) -> str:
    """Returns who asked for the rollout; empty where the policy has no rule about approvals."""
    if not report.effect:
        return ""
    return report.asked_by or "a user who is not known"


def approved_by(report: Report) -> str:
    """Returns who approved the plan, how each was identified and when, and what they wrote."""
    given = (
        f"{each.by.name} ({each.by.method}) {clock(each.at, report)}{f': {each.comment}' if each.comment else ''}"
        for each in report.approvals
    )
    return "; ".join(given) or "no approval was needed"


def overridden(report: Report) -> str:
    """Returns who ignored freezes, and why; empty where the rollout waited for freezes."""
    return f"ignored by {report.by}: {report.override_freeze}" if report.override_freeze else ""


def approved(report: Report) -> list[tuple[str, str]]:
    """Returns who asked, who approved, the hashes of the plan and of its effect, and why the rollout ignored freezes, each
    with the name of the line; empty where the policy has no rule about that, and it waited for freezes."""
    facts: list[tuple[str, str]] = []
    if asked := asked_by(report):
        facts += [
            ("asked", f"by {asked}"),
            ("approved", approved_by(report)),
            ("hash", report.plan),
            ("effect", report.effect),
        ]
    if freezes := overridden(report):
        facts.append(("freezes", freezes))
    return facts
