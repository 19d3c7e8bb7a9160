"""Shows the users who asked for a rollout and approved it, for all forms of a report."""

from __future__ import annotations

from msgspec import UnsetType

from fleet.cli.report.answer import clock
from fleet.core.reporting.report import Report
from fleet.core.rollout.goal import GivenApproval

SHOWN = 10
"""Characters of a rule's hash that are shown."""


def asked_by(report: Report) -> str:
    """Returns who asked for the rollout; empty where the policy has no rule about approvals."""
    if not report.effect:
        return ""
    return report.asked_by or "a user who is not known"


def approved_by(report: Report) -> str:
    """Returns who approved the plan, how each was identified and when, and what they wrote."""
    return "; ".join(_given(each, report) for each in report.approvals) or "no approval was needed"


def _given(each: GivenApproval, report: Report) -> str:
    if each.by.method == "policy":
        return f"by the rule of {each.by.name} {clock(each.at, report)}"
    return f"{each.by.name} ({each.by.method}) {clock(each.at, report)}{f': {each.comment}' if each.comment else ''}"


def standing(report: Report) -> str:
    """Returns which standing policy started the rollout, and why the release qualified; empty where a user did."""
    found = report.standing
    if isinstance(found, UnsetType):
        return ""
    return f"{found.identity}, rule {found.rule[:SHOWN]}: {'; '.join(found.grounds)}"


def overridden(report: Report) -> str:
    """Returns who ignored freezes, and why; empty where the rollout waited for freezes."""
    return f"ignored by {report.by}: {report.override_freeze}" if report.override_freeze else ""


def approved(report: Report) -> list[tuple[str, str]]:
    """Returns which standing policy started it, who asked, who approved, the hashes of the plan and of its effect, and why
    the rollout ignored freezes, each with the name of the line and where there is such a thing."""
    facts: list[tuple[str, str]] = []
    if policy := standing(report):
        facts.append(("standing", policy))
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
