"""Reads two reports and compares them."""

from __future__ import annotations

from pathlib import Path

from fleet.app.audit.export_verification import json_object
from fleet.core.records.errors import UsageError
from fleet.core.reporting.period.diff import Difference, differences


def differences_of(before: Path, after: Path) -> tuple[Difference, ...]:
    """Returns how the second report differs from the first. Raises UsageError for files that are no reports (json) of
    the same kind."""
    old, new = json_object(before), json_object(after)
    kinds = [_kind(each, path) for each, path in ((old, before), (new, after))]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"{before} is a {kinds[0]} and {after} is a {kinds[1]}", "compare reports of one kind"
        )
    return tuple(differences(old, new))


def _kind(content: dict[str, object], path: Path) -> str:
    if content.get("kind") == "fleet period report":
        return "report of a span"
    if "rollout" in content and "runs" in content:
        return "report of a rollout"
    raise UsageError(f"{path} is no report as json", "fleet report -o json --file REPORT.json writes one")
